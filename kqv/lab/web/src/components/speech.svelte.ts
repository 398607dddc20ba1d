/** What the server says in English, in the page's language: arithmetic with its numbers, and what stands for a formula. */

import { language } from "../texts.svelte";

const SAID: [RegExp, string][] = [
  [/^given: a weight of the model, nothing in this pass computed it$/, "gegeben: ein Gewicht des Modells, nichts in diesem Durchlauf hat es berechnet"],
  [/^given: a constant of the model, nothing in this pass computed it$/, "gegeben: eine Konstante des Modells, nichts in diesem Durchlauf hat sie berechnet"],
  [/^given: an input, nothing in this pass computed it$/, "gegeben: eine Eingabe, nichts in diesem Durchlauf hat sie berechnet"],
  [/^given: what (.+) remembered of earlier steps$/, "gegeben: was $1 von früheren Schritten behalten hat"],
  [/^given: the same as (.+)$/, "gegeben: dasselbe wie $1"],
  [/^the same number, moved here by (.+)$/, "dieselbe Zahl, hierher bewegt durch $1"],
  [/^the gradient of the element that (.+) moved to (.+)$/, "der Gradient des Elements, das $1 nach $2 bewegt hat"],
  [/^∂C\/∂C = 1: the backward pass starts here$/, "∂C/∂C = 1: Hier beginnt der Rückwärtsdurchlauf"],
  [/^the backward pass starts here, with this number$/, "Hier beginnt der Rückwärtsdurchlauf, mit dieser Zahl"],
  [/^the sum of what (\d+) uses contribute$/, "die Summe dessen, was $1 Verwendungen beitragen"],
  [/^no use of this element leads to the loss$/, "keine Verwendung dieses Elements führt zu den Kosten"],
  [/^computed by (.+), whose formula is not known here$/, "berechnet von $1, dessen Formel hier nicht bekannt ist"],
  [/^through (.+), whose derivative is not known here$/, "durch $1, dessen Ableitung hier nicht bekannt ist"],
];

const WORDS: Record<string, string> = { more: "weitere", smaller: "kleinere", because: "weil" };

/** What stands for a formula where there is none; undefined for a formula. */
export function sentence(formula: string): string | undefined {
  const found = SAID.find(([pattern]) => pattern.test(formula));
  if (!found) return undefined;
  return language() === "de" ? formula.replace(found[0], found[1]) : formula;
}

/** Arithmetic as it is written in the page's language. */
export function arithmetic(text: string): string {
  return language() === "de" ? inGerman(text) : text;
}

/** With commas in numbers, semicolons between them, and German words. */
export function inGerman(text: string): string {
  return text
    .replace(/, /g, "; ")
    .replace(/(\d)\.(\d)/g, "$1,$2")
    .replace(/\b(more|smaller|because)\b/g, (word) => WORDS[word] ?? word);
}
