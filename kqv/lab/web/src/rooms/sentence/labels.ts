/** The texts of what comes next, of writing and of why. */

import type { Translated } from "../../texts.svelte";

const next = {
  heading: (word: string) => `After “${word}”`,
  lead: "How a token is chosen",
  temperature: "Temperature",
  topK: "Top-k",
  topP: "Top-p",
  minP: "Min-p",
  off: "off",
  greedy: "greedy",
  kept: (count: number, of: number) => `${count.toLocaleString("en")} of ${of.toLocaleString("en")} tokens can be drawn.`,
  raw: "the model alone",
  here: "comes next here",
  sampled: "with these settings",
  why: (word: string) => `Why “${word}”?`,
  token: "token",
  loading: "Loading …",
};
const writing = {
  write: "Let it write",
  translate: "Translate",
  stop: "Stop",
  tokens: "Tokens",
  seed: "Seed",
  follow: "Follow this text",
  stopped: "Stopped.",
  ended: "The model has ended its text.",
  length: "That is as long as was asked for.",
  candidates: (token: string) => `“${token}” was drawn from`,
};
/** A part's name in German; the server says it in English. */
const inGerman = (part: string) =>
  part.replace(/\bblock\b/g, "Block").replace(/\bhead\b/g, "Kopf").replace("feed-forward", "Feed-Forward").replace("cross-attention", "Cross-Attention").replace(/\bdecoder\b/g, "Decoder").replace(/\bencoder\b/g, "Encoder")
    .replace(/^token /, "Token ").replace(/“(.*)”/, "„$1“");

const why = {
  spoken: (part: string) => part,
  loading: "Computing …",
  sum: (count: number, sum: string, value: string) => `It is the sum of ${count.toLocaleString("en")} terms, ${sum}; the model computed ${value}.`,
  others: (count: number) => `${count} others`,
  part: "part",
  gives: "gives",
  off: "off",
  alone: "without it",
  test: "Take out the 8 largest, one at a time",
  honest: "A split is a sum, not a cause: what depends on a part shows only when it is switched off.",
  query: (word: string) => `Parts of the query “${word}”`,
  key: (word: string) => `Parts of the key “${word}”`,
  together: "Each part, wherever it stands",
  nothing: "Switch a part off: the model then runs without it, and here is what changes.",
  hide: (key: string, query: string) => `hide “${key}” from “${query}”`,
  score: "score",
  weight: "weight",
  logit: "logit",
  probability: "probability",
  more: "more parts",
  bias: "fixed",
  token: "tokens",
  position: "positions",
  head: "heads",
  feedForward: "feed-forward",
  biases: "biases",
  other: "others",
};

export const nextTexts = {
  en: next,
  de: {
    heading: (word: string) => `Nach „${word}“`,
    lead: "Wie ein Token gewählt wird",
    temperature: "Temperatur",
    topK: "Top-k",
    topP: "Top-p",
    minP: "Min-p",
    off: "aus",
    greedy: "das wahrscheinlichste",
    kept: (count: number, of: number) => `${count.toLocaleString("de")} von ${of.toLocaleString("de")} Tokens können gezogen werden.`,
    raw: "das Modell allein",
    here: "folgt hier",
    sampled: "mit diesen Einstellungen",
    why: (word: string) => `Warum „${word}“?`,
    token: "Token",
    loading: "Lädt …",
  },
} satisfies Translated<typeof next>;

export const writingTexts = {
  en: writing,
  de: {
    write: "Schreiben lassen",
    translate: "Übersetzen",
    stop: "Anhalten",
    tokens: "Tokens",
    seed: "Startwert",
    follow: "Diesem Text folgen",
    stopped: "Angehalten.",
    ended: "Das Modell hat seinen Text beendet.",
    length: "So lang wie gewünscht.",
    candidates: (token: string) => `„${token}“ wurde gezogen aus`,
  },
} satisfies Translated<typeof writing>;

export const whyTexts = {
  en: why,
  de: {
    spoken: inGerman,
    loading: "Rechnet …",
    sum: (count: number, sum: string, value: string) => `Das ist die Summe aus ${count.toLocaleString("de")} Termen, ${sum}; das Modell hat ${value} berechnet.`,
    others: (count: number) => `${count} weitere`,
    part: "Teil",
    gives: "gibt",
    off: "aus",
    alone: "ohne ihn",
    test: "Die 8 größten weglassen, jeden für sich",
    honest: "Eine Zerlegung ist eine Summe, keine Ursache: Was von einem Teil abhängt, zeigt sich erst, wenn er ausgeschaltet wird.",
    query: (word: string) => `Teile der Query „${word}“`,
    key: (word: string) => `Teile des Keys „${word}“`,
    together: "Jeder Teil, wo immer er steht",
    nothing: "Einen Teil ausschalten: Das Modell läuft dann ohne ihn, und hier steht, was sich ändert.",
    hide: (key: string, query: string) => `„${key}“ vor „${query}“ verbergen`,
    score: "Score",
    weight: "Gewicht",
    logit: "Logit",
    probability: "Wahrscheinlichkeit",
    more: "mehr Teile",
    bias: "fest",
    token: "Tokens",
    position: "Positionen",
    head: "Köpfe",
    feedForward: "Feed-Forward",
    biases: "Bias-Werte",
    other: "andere",
  },
} satisfies Translated<typeof why>;

const fetched = {
  bytes: (got: string, of: string) => `${got} of ${of} MB`,
  begins: "The download begins …",
  left: (seconds: number) => (seconds < 90 ? `${seconds} s left` : `${Math.round(seconds / 60)} min left`),
  progress: (name: string) => `Download of ${name}`,
  stop: "Stop the download",
};
export const fetchTexts = {
  en: fetched,
  de: {
    bytes: (got: string, of: string) => `${got} von ${of} MB`,
    begins: "Der Download beginnt …",
    left: (seconds: number) => (seconds < 90 ? `noch ${seconds} s` : `noch ${Math.round(seconds / 60)} min`),
    progress: (name: string) => `Download von ${name}`,
    stop: "Download abbrechen",
  },
} satisfies Translated<typeof fetched>;

const begin = {
  title: "No model reads text here yet",
  small: "A small one, trained now",
  smallText: "A GPT with two blocks, trained in front of your eyes on Python’s own manual, in about ten seconds. It stammers, but every number of it is real, and it needs no network.",
  train: "Train it and read a sentence",
  starts: "starts …",
  step: (step: number, steps: number) => `step ${step} of ${steps}`,
  left: (seconds: string) => `${seconds} s left`,
  training: (name: string) => `Training of ${name}`,
  watch: "Watch it learn",
  ended: "The training ended before it was done.",
  real: "A real one, downloaded",
  realText: "SmolLM2 with 135 million weights in 30 blocks: it knows English, and its heads know which word belongs to which.",
  fetch: "Download SmolLM2 (98 MB)",
  others: "With a model of your own, or one from Hugging Face:",
  folder: "FOLDER",
};
export const beginTexts = {
  en: begin,
  de: {
    title: "Noch liest hier kein Modell Texte",
    small: "Ein kleines, jetzt trainiert",
    smallText: "Ein GPT mit zwei Blöcken, vor den eigenen Augen an Pythons eigenem Handbuch trainiert, in etwa zehn Sekunden. Es stammelt, aber jede seiner Zahlen ist echt, und es braucht kein Netz.",
    train: "Trainieren und einen Satz lesen lassen",
    starts: "startet …",
    step: (step: number, steps: number) => `Schritt ${step} von ${steps}`,
    left: (seconds: string) => `noch ${seconds} s`,
    training: (name: string) => `Training von ${name}`,
    watch: "Beim Lernen zusehen",
    ended: "Das Training endete vorzeitig.",
    real: "Ein richtiges, heruntergeladen",
    realText: "SmolLM2 mit 135 Millionen Gewichten in 30 Blöcken: Es kann Englisch, und seine Köpfe wissen, welches Wort zu welchem gehört.",
    fetch: "SmolLM2 herunterladen (98 MB)",
    others: "Mit einem eigenen Modell oder einem von Hugging Face:",
    folder: "ORDNER",
  },
} satisfies Translated<typeof begin>;
