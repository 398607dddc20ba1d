import type { Translated } from "../texts.svelte";

const en = {
  language: "Language",
  view: "kqv: a view with numbers to choose",
  late: "The kernel has not answered yet: it runs another cell, or has ended. If it was restarted, run this cell again.",
  trace: "Trace",
  operations: (count: number) => `${count} ${count === 1 ? "tensor" : "tensors"}`,
  inTraining: "in training mode",
  empty: "This trace has no tensors.",
  weights: "Weights and constants",
};

export const texts = {
  en,
  de: {
    language: "Sprache",
    view: "kqv: eine Ansicht, in der sich Zahlen auswählen lassen",
    late: "Der Kernel hat noch nicht geantwortet: Er führt eine andere Zelle aus oder ist beendet. Wurde er neu gestartet, diese Zelle noch einmal ausführen.",
    trace: "Aufzeichnung",
    operations: (count: number) => `${count} ${count === 1 ? "Tensor" : "Tensoren"}`,
    inTraining: "im Trainingsmodus",
    empty: "Diese Aufzeichnung hat keine Tensoren.",
    weights: "Gewichte und Konstanten",
  },
} satisfies Translated<typeof en>;
