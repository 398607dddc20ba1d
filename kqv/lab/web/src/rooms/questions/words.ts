/** A question in words. */

import type { texts } from "./texts";

export interface Summary {
  name: string;
  state: string;
  told?: number;
  problem: string;
  question: string;
  explanation?: string;
  system: string;
  recipes?: string[];
  data?: string | null;
  seeds: number;
  vary: Record<string, string[]>;
  variants: string[];
  minutes?: number | null;
  steps?: number | null;
  runs: number;
  done: number;
  ours?: boolean;
  now?: { run: string; step: number; steps: number } | null;
  command?: string;
}

export interface Saved { name: string; system: string; question: string; explanation: string; variants: string[]; seeds: number }

/** The question as it was asked, or what is compared. */
export function titleOf(one: Summary, words: typeof texts.en | typeof texts.de): string {
  if (one.question) return words.question(one.question);
  const varied = Object.entries(one.vary ?? {}).filter(([, values]) => values.length > 1 || Object.keys(one.vary).length === 1);
  if (varied.length) return words.compared(varied.map(([field]) => field.split(".").pop()).join(", "), one.variants.length ? one.variants.join(", ") : varied.map(([, values]) => values.join(", ")).join("; "));
  return one.recipes && one.recipes.length > 1 ? words.comparedRecipes(one.recipes.join(", ")) : one.name;
}
