/** What the server says of a text that a model has read, and what follows from it: cells, rows of weights, steps. */

export interface Reader {
  name: string;
  kind: string;
  here: boolean;
  writes: boolean;
  translates: boolean;
  explains: boolean;
  compares: boolean;
}

export interface ReadText {
  name: string;
  dimension: string;
  words: string[];
  ids: number[];
}

export interface Attention {
  module: string;
  heading: string;
  block: string;
  heads: number;
  /** The sizes of the dimensions that count heads: one, or key heads and the heads of each group. */
  lead: number[];
  own: boolean;
  queries: number;
  keys: number;
}

export interface Step {
  tensor: string;
  name: string;
  module: string;
  dimensions: string[];
  sizes: number[];
  formula: string;
  origin: string;
  location: string;
  gradient: boolean;
  integer: boolean;
}

export interface Reading {
  trace: string;
  model: string;
  about: string;
  writes: boolean;
  translates: boolean;
  explains: boolean;
  texts: ReadText[];
  attentions: Attention[];
  steps: Step[];
  logits: string | null;
  gradients: boolean;
  /** Whether the pass was followed back; of large models only when that is asked for. */
  backward: boolean;
  /** How long the pass took. */
  seconds: number;
  cost: number | null;
}

/** A head: which attention of the reading, and which of its heads. */
export interface Head {
  attention: number;
  head: number;
}

export type Phase = "forward" | "backward";

/** A number's name as it is typed: `grad:blocks.0.attention.scores[0,2,8,1]`. */
export function cellText(tensor: string, index: number[], phase: Phase = "forward"): string {
  return `${phase === "backward" ? "grad:" : ""}${tensor}[${index.join(",")}]`;
}

/** A head's positions along the dimensions that count heads. */
export function lead(attention: Attention, head: number): number[] {
  const found: number[] = [];
  for (const size of [...attention.lead].reverse()) {
    found.unshift(head % size);
    head = Math.floor(head / size);
  }
  return found;
}

export function weightCell(attention: Attention, head: number, query: number, key: number, name = "weights"): string {
  return cellText(`${attention.module}.${name}`, [0, ...lead(attention, head), query, key]);
}

/** A token as one reads it: without the sign for the space before it. */
export function plain(word: string): string {
  return word.replace(/^␣/, "") || word;
}

/** Where attention rests that finds nothing better: on the text's first token and on the token itself. */
export function rests(attention: Attention, query: number, key: number): boolean {
  return attention.own && (key === 0 || key === query);
}

/** What every head gives from one position of a text to each key; the numbers as the server sends them. */
export class Weights {
  private starts = new Map<number, number>();

  constructor(
    readonly reading: Reading,
    readonly text: number,
    readonly query: number,
    private numbers: Float32Array,
  ) {
    let start = 0;
    reading.attentions.forEach((attention, number) => {
      if (attention.queries !== text) return;
      this.starts.set(number, start);
      start += attention.heads * this.keys(attention);
    });
  }

  /** The attentions in which the text asks. */
  get attentions(): number[] {
    return [...this.starts.keys()];
  }

  row({ attention, head }: Head): Float32Array {
    const keys = this.keys(this.of(attention));
    const start = (this.starts.get(attention) ?? 0) + head * keys;
    return this.numbers.subarray(start, start + keys);
  }

  /** The mean over all heads of all attentions that ask the same text. */
  mean(keys: number): Float32Array {
    const alike = this.attentions.filter((number) => this.of(number).keys === keys);
    const found = new Float32Array(this.reading.texts[keys]?.words.length ?? 0);
    let count = 0;
    for (const attention of alike) {
      for (let head = 0; head < this.of(attention).heads; head++, count++) this.row({ attention, head }).forEach((weight, key) => (found[key]! += weight));
    }
    return found.map((sum) => sum / Math.max(1, count));
  }

  /** The key with the largest weight that is not where attention rests, if there is one. */
  strongest(at: Head): { key: number; weight: number } {
    const attention = this.of(at.attention);
    let best = { key: -1, weight: -1 };
    this.row(at).forEach((weight, key) => {
      if (weight > best.weight && !rests(attention, this.query, key)) best = { key, weight };
    });
    return best.key < 0 ? { key: 0, weight: this.row(at)[0] ?? 0 } : best;
  }

  /**
   * The head to begin with: the one that gives most to a word where attention does not rest, and that is no neighbour; of a
   * translation one that looks at the source.
   */
  telling(): Head | undefined {
    let best: (Head & { weight: number }) | undefined;
    const crossing = this.attentions.filter((number) => !this.of(number).own);
    for (const attention of crossing.length ? crossing : this.attentions) {
      const { heads, own } = this.of(attention);
      for (let head = 0; head < heads; head++) {
        const { key, weight } = this.strongest({ attention, head });
        const near = own && Math.abs(key - this.query) <= 1;
        if (!near && (!best || weight > best.weight)) best = { attention, head, weight };
      }
    }
    const [first] = this.attentions;
    return best ?? (first === undefined ? undefined : { attention: first, head: 0 });
  }

  private of(number: number): Attention {
    const found = this.reading.attentions[number];
    if (!found) throw new RangeError(`no attention ${number}`);
    return found;
  }

  private keys(attention: Attention): number {
    return this.reading.texts[attention.keys]?.words.length ?? 0;
  }
}

/** A stretch of the path: blocks that are alike, of which one is looked at, or what stands outside of all. */
export interface Stretch {
  /** `blocks`, `encoder.blocks`; `""` outside of blocks. */
  stack: string;
  /** The names of the blocks, in order. */
  blocks: string[];
  steps: Step[];
}

export function blockOf(module: string): string {
  return /^(?:\w+\.)*?blocks\.\d+(?=\.|$)/.exec(module)?.[0] ?? "";
}

/** The steps in the order of the pass, blocks of one stack together. */
export function stretches(steps: Step[]): Stretch[] {
  const found: Stretch[] = [];
  for (const step of steps) {
    const block = blockOf(step.module);
    const stack = block.replace(/\.\d+$/, "");
    let last = found.at(-1);
    if (!last || last.stack !== stack) found.push((last = { stack, blocks: [], steps: [] }));
    if (block && !last.blocks.includes(block)) last.blocks.push(block);
    last.steps.push(step);
  }
  return found.map((part) => ({ ...part, steps: queriesFirst(part.steps) }));
}

const ORDER = ["queries", "keys", "values"];

/** Query, key, value in the order in which one speaks of them; a pass may compute them in another. */
function queriesFirst(steps: Step[]): Step[] {
  const places = new Map<string, number[]>();
  steps.forEach(({ module, name }, at) => ORDER.includes(name) && places.set(module, [...(places.get(module) ?? []), at]));
  const found = [...steps];
  for (const at of places.values()) {
    const sorted = at.map((place) => steps[place]!).sort((a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name));
    at.forEach((place, number) => (found[place] = sorted[number]!));
  }
  return found;
}
