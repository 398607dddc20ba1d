/**
 * What the server says, in the page's language. Python speaks English; the German of each of its sentences stands in
 * `errors/` and the files beside it, with `{0}`, `{1}` where it has names or numbers. What stands in none of them stays English.
 */

import { language } from "../texts.svelte";
import { Catalogue } from "./catalogue";

let catalogue = $state.raw<Catalogue | undefined>();
let asked = false;

/** The sentences are fetched when somebody first reads German. */
async function load(): Promise<void> {
  catalogue = new Catalogue((await import("./sentences")).sentences);
}

/** A sentence of the server in the page's language; where it is drawn, it is drawn anew with the language. */
export function said(text: string): string {
  if (language() !== "de") return text;
  if (!asked) {
    asked = true;
    void load();
  }
  return catalogue?.german(text) ?? text;
}

/** The language that a sentence is now in, for `lang`. */
export function spokenIn(text: string): "de" | "en" {
  return language() === "de" && catalogue?.german(text) !== undefined ? "de" : "en";
}
