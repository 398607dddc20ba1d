/** Why: what is asked, the split, and the pass with parts changed; asked of the lab's server or of a notebook's kernel. */

import { post } from "../../api";

/** A score's cell, or else a token's id (the likeliest where none is given) after a position. */
export interface Question {
  cell?: string | undefined;
  position?: number | undefined;
  token?: number | undefined;
  against?: number | undefined;
}

export interface Part {
  part: string;
  words: string;
  kind: string;
  value: number;
  others?: number;
}

export interface Split {
  of: "score" | "token";
  value: number;
  sum: number;
  sum_of_sizes: number;
  terms: number;
  of_part: Part[];
  /** Of a score: whose it is, and each side by itself. */
  cell?: string;
  module?: string;
  head?: number;
  query?: number;
  key?: number;
  query_word?: string;
  key_word?: string;
  of_query?: Part[];
  of_key?: Part[];
  /** Of a token: which one, and after which word. */
  token?: string;
  word?: string;
  by_kind?: Record<string, number>;
  against?: string | null;
  /** How the pass was changed that is split; nothing where it is as it is. */
  pass?: string[];
}

export interface Changed {
  how: string[];
  before: Record<string, number>;
  after: Record<string, number>;
}

export interface Tested {
  part: string;
  before: number;
  after: number;
}

export const WAYS = ["without", "mean", "taken"] as const;
/** What a part that is switched off gives: nothing, its mean over the text, or what it gives in another text. */
export type Way = (typeof WAYS)[number];

/** The parts that are switched off, what they give instead, in which other text, and whether the key is hidden. */
export interface Switched {
  parts: string[];
  way: Way;
  text: string;
  hides: boolean;
}

export const NOTHING: Switched = { parts: [], way: "without", text: "", hides: false };

export interface Change {
  how: Way | "hide";
  part: string | null;
  text: string | null;
  query: number | null;
  key: number | null;
}

/** Who answers; without `changed` and `tested` nothing can be switched off. */
export interface Asked {
  split(signal: AbortSignal): Promise<Split>;
  changed?(changes: Change[], signal: AbortSignal): Promise<Changed>;
  tested?(most: number): Promise<Tested[]>;
}

export function ofServer(trace: string, { cell, position, token, against }: Question): Asked {
  const asked = { trace, cell: cell ?? null, position: position ?? null, token: token ?? null, against: against ?? null };
  return {
    split: (signal) => post("sentence/why", asked, signal),
    changed: (changes, signal) => post("sentence/why/changed", { ...asked, changes }, signal),
    tested: (most) => post("sentence/why/tested", { ...asked, most }),
  };
}

/** What is switched, as a model takes it; nothing while the other text is still to be given. */
export function changesOf({ parts, way, text, hides }: Switched, split: Split | undefined): Change[] {
  const found: Change[] = way === "taken" && !text.trim() ? [] : parts.map((part) => ({ how: way, part, text: way === "taken" ? text : null, query: null, key: null }));
  if (hides && split?.of === "score") found.push({ how: "hide", part: `${split.module}.${split.head}`, text: null, query: split.query!, key: split.key! });
  return found;
}

type Query = Record<string, string | undefined>;

/** A question and what is switched, as they stand in an address: `why=blocks.0.attention.scores[0,1,5,1]` or `why=3@9`. */
export function inAddress(question: Question | undefined, { parts, way, text, hides }: Switched): Query {
  const token = question && `${question.token ?? ""}@${question.position ?? ""}`;
  return {
    why: question?.cell ?? token,
    off: question && parts.length ? parts.join(",") : undefined,
    instead: question && way !== "without" ? way : undefined,
    by: question && way === "taken" && text ? text : undefined,
    hides: question && hides ? "1" : undefined,
  };
}

export function fromAddress({ why, off, instead, by, hides }: Query): { question: Question | undefined; switched: Switched } {
  const token = /^(\d*)@(\d*)$/.exec(why ?? "");
  const whole = (text: string | undefined) => (text ? Number(text) : undefined);
  const question = token ? { token: whole(token[1]), position: whole(token[2]) } : why ? { cell: why } : undefined;
  const way = WAYS.find((name) => name === instead) ?? "without";
  return { question, switched: { parts: off ? off.split(",") : [], way, text: by ?? "", hides: hides === "1" } };
}
