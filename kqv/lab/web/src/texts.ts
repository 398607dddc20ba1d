import type { Translated } from "./texts.svelte";

const en = {
  start: "Start",
  digits: "Digits",
  sentence: "Sentence",
  tensors: "Tensors",
  shapes: "Shapes",
  training: "Training",
  questions: "What if",
  exercises: "Write it",
  adder: "Adder",
  rooms: "Rooms",
  skip: "Skip to the content",
  language: "Language",
  light: "Light colours",
  dark: "Dark colours",
  loading: "Loading …",
  broken: "This room cannot be shown. Reload the page.",
};

export const texts = {
  en,
  de: {
    start: "Start",
    digits: "Ziffern",
    sentence: "Satz",
    tensors: "Tensoren",
    shapes: "Formen",
    training: "Training",
    questions: "Was wäre, wenn",
    exercises: "Selbst schreiben",
    adder: "Addierer",
    rooms: "Räume",
    skip: "Zum Inhalt",
    language: "Sprache",
    light: "Helle Farben",
    dark: "Dunkle Farben",
    loading: "Lädt …",
    broken: "Dieser Raum lässt sich nicht zeigen. Bitte die Seite neu laden.",
  },
} satisfies Translated<typeof en>;
