import type { Translated } from "../../texts.svelte";

const en = {
  title: "From a neural network to GPT, with every number in view",
  intro: "Everything here is computed by the models on this machine while you watch. Choose any number and walk it back to the input.",
  digits: "Draw a digit, follow it through the layers, and walk the error back.",
  sentence: "Follow a sentence through queries, keys and values to the next word.",
  tensors: "All tensors of a trace, forward, backward and after a step of learning.",
  shapes: "Every tensor as a box of named dimensions, from a digit network to GPT-3.",
  training: "Start a training, watch it learn, stop it, continue it.",
  questions: "Change one part of the mathematics, train both, and see whether they differ.",
  exercises: "Write backpropagation and attention yourself, and train with your code.",
  adder: "A whole Transformer on one page: how 640 numbers add.",
  models: "Your models",
  none: "There is no model yet. The digit network trains in a few seconds:",
  train: "Train a digit network",
  open: "Open",
};

export const texts = {
  en,
  de: {
    title: "Vom neuronalen Netz zu GPT, mit jeder Zahl vor Augen",
    intro: "Alles hier rechnen die Modelle auf diesem Rechner, während man zusieht. Jede Zahl lässt sich wählen und bis zur Eingabe zurückverfolgen.",
    digits: "Eine Ziffer zeichnen, ihr durch die Schichten folgen und den Fehler zurückverfolgen.",
    sentence: "Einem Satz durch Queries, Keys und Values bis zum nächsten Wort folgen.",
    tensors: "Alle Tensoren eines Durchlaufs: vorwärts, rückwärts und nach einem Lernschritt.",
    shapes: "Jeder Tensor als Kasten benannter Dimensionen, vom Ziffernnetz bis GPT-3.",
    training: "Ein Training starten, beim Lernen zusehen, anhalten, fortsetzen.",
    questions: "Einen Teil der Mathematik ändern, beide Fassungen trainieren und sehen, ob sie sich unterscheiden.",
    exercises: "Backpropagation und Attention selbst schreiben und mit dem eigenen Code trainieren.",
    adder: "Ein ganzer Transformer auf einer Seite: wie 640 Zahlen addieren.",
    models: "Modelle",
    none: "Es gibt noch kein Modell. Das Ziffernnetz lernt in wenigen Sekunden:",
    train: "Ein Ziffernnetz trainieren",
    open: "Öffnen",
  },
} satisfies Translated<typeof en>;
