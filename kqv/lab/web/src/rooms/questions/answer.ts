/** A question's answer in words, in the page's language, from the numbers of its runs. */

import { language, written } from "../../texts.svelte";
import type { texts } from "./texts";

export interface Measure { name: string; less_is_better: boolean; factor: number; unit: string; title: string }

export interface Row {
  variant: string;
  slug: string;
  settings: Record<string, string>;
  other_scores: (Record<string, number> | null)[];
  diverged: Record<string, string>;
  seconds: number | null;
  sample: string;
  parameters: number | null;
  notes: string[];
  mean?: number | null;
  spread?: number | null;
  scores?: (number | null)[];
  difference?: { mean: number; low: number; high: number } | null;
  differences?: number[];
  parting?: Record<string, { tensor: string; only_in: string | null } | null>;
}

type Words = typeof texts.en | typeof texts.de;

/** The scores by seed that are known so far. */
export function scoresOf(row: Row, measure: Measure): (number | null)[] {
  return row.scores ?? row.other_scores.map((scores) => scores?.[measure.name] ?? null);
}

export function meanOf(row: Row, measure: Measure): number | null {
  const known = scoresOf(row, measure).filter((score) => score !== null);
  return known.length ? known.reduce((sum, score) => sum + score, 0) / known.length : null;
}

export function spreadOf(row: Row, measure: Measure): number | null {
  const known = scoresOf(row, measure).filter((score) => score !== null);
  const mean = meanOf(row, measure);
  if (known.length < 2 || mean === null) return null;
  return Math.sqrt(known.reduce((sum, score) => sum + (score - mean) ** 2, 0) / (known.length - 1));
}

/** A score in its unit. */
export function scoreText(value: number | null | undefined, measure: Measure): string {
  if (value === null || value === undefined) return "–";
  const digits = measure.factor === 100 || measure.name === "bleu" || measure.name === "chrf" ? 2 : 4;
  return fixed(measure.factor * value, digits);
}

export function fixed(value: number, digits: number): string {
  return new Intl.NumberFormat(language(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value).replace("-", "−");
}

/** So many digits that an interval's half has two that count, as Python's `digits_for`. */
export function digitsFor(width: number, most: number): number {
  let digits = 0;
  while (digits < most && width < 10 ** (1 - digits)) digits++;
  return digits;
}

/** `+0.21 ± 0.03`. */
export function differenceText(row: Row, measure: Measure): string {
  const most = measure.factor === 100 ? 2 : 4;
  const signed = (value: number, digits: number) => `${value > 0 ? "+" : ""}${fixed(value, digits)}`;
  if (row.difference) {
    const half = (measure.factor * (row.difference.high - row.difference.low)) / 2;
    const digits = digitsFor(half, most);
    return `${signed(measure.factor * row.difference.mean, digits)} ± ${fixed(half, digits)}`;
  }
  const only = row.differences?.length === 1 ? row.differences[0] : undefined;
  return only === undefined ? "–" : signed(measure.factor * only, most);
}

/** What can be said of a variant beside the baseline, in a sentence. */
export function sentence(row: Row, baseline: string, measure: Measure, words: Words): string {
  const diverged = Object.keys(row.diverged).length;
  const before = diverged ? `${words.diverged(row.variant, diverged, row.other_scores.length)} ` : "";
  return before + verdict(row, baseline, measure, words);
}

function verdict(row: Row, baseline: string, measure: Measure, words: Words): string {
  const differences = row.differences ?? [];
  const unit = words.unit(measure.unit);
  if (!differences.length) return words.nothingSaid(row.variant);
  if (!row.difference) return words.oneSeed(row.variant, baseline, differenceText(row, measure), unit);
  if (differences.every((one) => one === 0)) return words.equal(row.variant, baseline, differences.length);
  const { mean, low, high } = row.difference;
  if (low <= 0 && high >= 0) {
    const bound = measure.factor * Math.max(Math.abs(low), Math.abs(high));
    const digits = digitsFor(bound, measure.factor === 100 ? 2 : 4);
    return words.noDifference(row.variant, fixed(bound + 0.5 * 10 ** -digits, digits), unit, differences.length);
  }
  const same = differences.filter((one) => one !== 0 && one < 0 === mean < 0).length;
  const isBetter = mean < 0 === measure.less_is_better;
  const size = differenceText({ ...row, difference: { mean: Math.abs(mean), low: Math.abs(mean) - (high - low) / 2, high: Math.abs(mean) + (high - low) / 2 } }, measure).replace("+", "");
  return (isBetter ? words.better : words.worse)(row.variant, baseline, size, unit, same, differences.length);
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : written(value, 9);
}
