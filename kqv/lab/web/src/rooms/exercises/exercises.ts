/** What comes from the server of the exercises, and how findings are read. */

export type State = "not begun" | "begun" | "passed";

export interface Listed {
  name: string;
  title: string;
  state: State;
  checks: number;
  hints: number;
  accuracy: number | null;
  data: string;
}

export interface Training {
  exercise: string;
  part: string;
  running: boolean;
  facts: { sizes: number[]; data: string; pictures: number; epochs: number } | null;
  apart: number | null;
  epochs: { epoch: number; accuracy: number; seconds: number }[];
  trained: { accuracy: number; right: number; tested: number; data: string } | null;
  error: string | null;
}

export interface Overview {
  exercises: Listed[];
  next: string | null;
  training: Training | null;
  "runs code": boolean;
}

export interface Value {
  name: string;
  axes: string[];
  many: boolean;
  note: string;
  meaning: string;
  shape: string;
}

export interface Exercise {
  name: string;
  title: string;
  task: string;
  source: string;
  part: string;
  state: State;
  accuracy: number | null;
  data: string;
  functions: { call: string; formula: string[]; takes: Value[]; gives: Value[] }[];
  hints: string[];
  "more hints": number;
  solution: string | null;
  text: string;
  digest: string;
  file: string;
  template: string;
}

export interface Finding {
  kind: string;
  headline: string;
  details: string[];
  mistake: string;
  advice: string;
}

export interface Verdict {
  call: string;
  tries: number;
  right: number;
  passed: boolean;
  finding: Finding | null;
  notes: string[];
}

export interface Saved {
  digest: string;
  kept: string | null;
}

export interface Report extends Saved {
  passed: boolean;
  functions: Verdict[];
  printed: string;
  finding?: Finding;
}

/** The finding that is explained: that of the whole file, else of the first function that is wrong. */
export function first(report: Report): Finding | undefined {
  return report.finding ?? report.functions.find((one) => one.finding)?.finding ?? undefined;
}

/** The line of the learner's file that a report speaks of. */
export function lineOf(report: Report | undefined, name: string): number | undefined {
  const finding = report && first(report);
  if (!finding) return undefined;
  const other = new RegExp(`line (\\d+)(?! of (?!${name}\\.py))`);
  const found = other.exec([finding.headline, ...finding.details].join(" "));
  return found ? Number(found[1]) : undefined;
}

/** A text that begins with a word begins with a capital; one that begins with code or a formula stays. */
export function sentence(text: string): string {
  return /^[a-zäöü]{2,}[ ,:]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}
