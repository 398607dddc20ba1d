/** The language of the lab's page: the one that was chosen before, else the browser's. */

import { LANGUAGES, speak, type Language } from "./texts.svelte";

const KEY = "kqv-language";

/** Take it up, before anything is drawn. */
export function begin(): void {
  const kept = localStorage.getItem(KEY);
  use(LANGUAGES.find((one) => one === kept) ?? (navigator.language.startsWith("de") ? "de" : "en"));
}

/** Switch, and keep it for the next visit. */
export function choose(chosen: Language): void {
  localStorage.setItem(KEY, chosen);
  use(chosen);
}

function use(chosen: Language): void {
  speak(chosen);
  document.documentElement.lang = chosen;
}
