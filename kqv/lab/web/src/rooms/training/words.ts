/** What stands in the room's words: times, scores, which curves belong together. */

import { COLOURS, type Point } from "../../components/curve";
import { language, written } from "../../texts.svelte";
import type { Described } from "./runs.svelte";
import type { texts } from "./texts";

type Words = typeof texts.en | typeof texts.de;

/** About how long: 40 s, 12 min, 2.5 h. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${written(Math.round(seconds), 3)} s`;
  return seconds < 5400 ? `${written(Math.round(seconds / 60), 3)} min` : `${written(seconds / 3600, 2)} h`;
}

export function whole(value: number): string {
  return new Intl.NumberFormat(language()).format(Math.round(value));
}

const FRACTIONS = ["accuracy", "exact_match"];

/** A score as it is said: 98.67 %, 31.2. */
export function scored(name: string, value: number): string {
  if (FRACTIONS.some((one) => name.endsWith(one))) return `${new Intl.NumberFormat(language(), { maximumFractionDigits: 2 }).format(100 * value)} %`;
  return written(value, 4);
}

/** Curves of numbers side by side: the points of each. */
export function pointsOf(xs: ArrayLike<number>, ys: ArrayLike<number>): Point[] {
  return Array.from({ length: xs.length }, (_, at): Point => [xs[at] as number, ys[at] as number]);
}

/** One measurement: at which steps, and what. */
export interface Measured {
  xs: Float32Array;
  ys: Float32Array;
}

/** A measurement that came as all steps, then all values. */
export function curveOf(both: Float32Array): Measured {
  return { xs: both.subarray(0, both.length / 2), ys: both.subarray(both.length / 2) };
}

/** A band between two rows of numbers. */
export function bandOf(xs: ArrayLike<number>, low: ArrayLike<number>, high: ArrayLike<number>): [number, number, number][] {
  return Array.from({ length: xs.length }, (_, at) => [xs[at] as number, low[at] as number, high[at] as number]);
}

/** The usual colours, in their order. */
export function colour(number: number): string {
  return COLOURS[number % COLOURS.length] as string;
}

export interface Panel {
  key: string;
  keys: string[];
  fraction: boolean;
  logarithmic: boolean;
}

/** Which measurements are drawn together: losses, each score, and gradients by layer. */
export function panels(curves: string[]): Panel[] {
  const losses = ["validation_loss", "loss", "training_loss"].filter((name) => curves.includes(name));
  const scores = ["accuracy", "bleu", "exact_match", "chrf"].filter((name) => curves.includes(`validation_${name}`));
  const gradients = curves.filter((name) => name.startsWith("gradient_"));
  return [
    { key: "loss", keys: losses, fraction: false, logarithmic: false },
    ...scores.map((name) => ({
      key: name, keys: [`validation_${name}`, `training_${name}`].filter((one) => curves.includes(one)), fraction: FRACTIONS.includes(name), logarithmic: false,
    })),
    { key: "gradients", keys: gradients, fraction: false, logarithmic: true },
  ].filter((panel) => panel.keys.length);
}

/** The one score that says most of a run now. */
export function headline(numbers: Record<string, number> | undefined, words: Words): string {
  const found = ["validation_accuracy", "validation_bleu", "validation_exact_match", "validation_loss", "loss"].find((name) => numbers && name in numbers);
  return found && numbers ? `${words.measurement(found)} ${scored(found, numbers[found] as number)}` : "";
}

/** What a run is, in a sentence; "" where that is not known yet. */
export function factsOf(run: Described | undefined, words: Words): string {
  const config = run?.config;
  if (!config) return "";
  const field = (name: string) => config.fields[name];
  return words.sentence(
    run?.recipe ?? "", whole(config.parameters), whole(config.facts.train), words.unit(run?.unit ?? "examples"), config.facts.name,
    String(field("training.optimizer")), written(Number(field("training.learning_rate")), 3), whole(Number(field("training.batch"))), String(config.seed),
  );
}
