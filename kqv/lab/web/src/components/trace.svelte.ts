/**
 * A trace of the lab's server or of a notebook's kernel: its tensors, their numbers and the arithmetic of their cells. What
 * was asked for once is kept.
 *
 *     const trace = await open(id)                        or make({ model, input })
 *     trace.tensor("blocks.0.attention.weights")          names, dimensions, formula, line of code
 *     await trace.numbers("logits", "forward", { position: 3 })
 *     trace.matrix("blocks.0.attention.weights", "forward", { batch: 0, head: 2 })   for <HeatMap>
 *     await trace.cell("scores[0,2,3,1]")                 for <Inspector>
 */

import { floats, get, post, type Query } from "../api";
import type { Matrix, Range } from "./matrix";

export type Phase = "forward" | "backward" | "update";
export const PHASES: readonly Phase[] = ["forward", "backward", "update"];
const PREFIXES: Record<Phase, string> = { forward: "", backward: "grad:", update: "update:" };

/** A number, or what JSON has no number for: "−∞", "∞", "NaN". */
export type Value = number | string;

export interface Tensor {
  name: string;
  aliases: string[];
  module: string;
  kind: "parameter" | "buffer" | "activation";
  symbol: string;
  dimensions: string[];
  sizes: number[];
  integer: boolean;
  origin: string;
  formula: string;
  "gradient formulas": { use: string; formula: string }[];
  location: string;
  phases: Phase[];
  meaning: string;
  words: Record<string, string[][]>;
  elements: string[];
  "update tensors": { name: string; sizes: number[]; dimensions: string[] }[];
}

export interface Update {
  rule: string;
  formula: string;
  settings: Record<string, number>;
  location: string;
  step: string;
}

export interface Header {
  id: string;
  input: string;
  heading: string;
  about: Record<string, unknown>;
  model: string | null;
  training: boolean;
  dimensions: Record<string, string>;
  updates: Record<string, Update>;
  phases: Phase[];
  words: Record<string, string[][]>;
  alike: Record<string, string>;
  tensors: Tensor[];
}

export interface Source {
  cell: string;
  words: string;
  value?: Value;
  meaning?: string;
}

/** One piece of arithmetic: of the cell itself, or of one use that adds to its gradient. */
export interface Arithmetic {
  value: Value;
  heading: string;
  formula: string;
  location: string;
  numbers: string;
  where: [string, string][];
  from: Source[];
  "chosen by": Source[];
  check: string;
  agrees: boolean;
}

export interface Cell extends Arithmetic {
  cell: string;
  words: string;
  tensor: string;
  phase: Phase;
  index: number[];
  dimensions: string[];
  symbol: string;
  meaning: string;
  step: string;
  parts: Arithmetic[];
  tensors: string[];
  phases: Record<Phase, Value | null>;
  next: { cell: string; words: string; part: Value } | null;
}

export interface Step {
  cell: string;
  words: string;
  value: Value;
  heading: string;
  part: Value;
}

export interface Summary {
  count: number;
  minimum: number | null;
  mean: number | null;
  maximum: number | null;
  rms: number | null;
  minus_infinity: number;
  plus_infinity: number;
  not_a_number: number;
}

export interface Excerpt {
  file: string;
  line: number;
  start: number;
  lines: string[];
  function: string;
}

/** Who is asked, by the addresses of the lab's server. */
export interface Asking {
  get<Answer>(name: string, query?: Query): Promise<Answer>;
  floats(name: string, query?: Query): Promise<Float32Array>;
}

const SERVER: Asking = { get, floats };

/** One position of a dimension, or a range of them. */
export type Window = Record<string, number | Range>;

const MOST_KEPT = 48 << 20; // bytes of numbers
const MOST_ANSWERS = 400;

/** Answers by what was asked; the oldest are forgotten when together they become too large. */
class Kept<Answer> {
  private readonly answers = new Map<string, { promise: Promise<Answer>; size: number }>();
  private size = 0;

  constructor(private readonly most: number, private readonly sizeOf: (answer: Answer) => number = () => 1) {}

  get(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const known = this.answers.get(key);
    if (known) return known.promise;
    const entry = { promise: ask(), size: 0 };
    this.answers.set(key, entry);
    entry.promise.then(
      (answer) => {
        entry.size = this.sizeOf(answer);
        this.size += entry.size;
        this.forget();
      },
      () => this.answers.delete(key),
    );
    return entry.promise;
  }

  private forget(): void {
    for (const [key, entry] of this.answers) {
      if (this.size <= this.most || this.answers.size < 2) return;
      this.answers.delete(key);
      this.size -= entry.size;
    }
  }
}

export class Trace {
  private readonly byName = new Map<string, Tensor>();
  private readonly kept = new Kept<Float32Array>(MOST_KEPT, (numbers) => numbers.byteLength);
  private readonly cells = new Kept<Cell>(MOST_ANSWERS);
  private readonly paths = new Kept<Step[]>(MOST_ANSWERS);
  private readonly summaries = new Kept<Summary>(MOST_ANSWERS);

  constructor(
    readonly header: Header,
    private readonly asking: Asking = SERVER,
  ) {
    for (const tensor of header.tensors) {
      for (const name of [tensor.name, ...tensor.aliases]) this.byName.set(name, tensor);
      for (const part of tensor["update tensors"]) this.byName.set(`${tensor.name}.${part.name}`, partOf(tensor, part));
    }
  }

  get id(): string {
    return this.header.id;
  }

  get tensors(): Tensor[] {
    return this.header.tensors;
  }

  /** A tensor by any of its names; `NAME.first_moment` is what an optimizer remembered, in the update. */
  tensor(name: string): Tensor | undefined {
    return this.byName.get(name);
  }

  /** Numbers of a window, row by row. */
  numbers(tensor: string, phase: Phase = "forward", window: Window = {}, blocks: Record<string, number> = {}): Promise<Float32Array> {
    const query = { tensor, phase, window: windowText(window), blocks: windowText(blocks), reduce: "largest" };
    return this.kept.get(JSON.stringify(query), () => this.asking.floats(`traces/${this.id}/numbers`, query));
  }

  /** Two dimensions of a tensor as rows and columns, the others fixed; for a heat map. `rows` may be "" for one row. */
  matrix(tensor: string, phase: Phase, fixed: Record<string, number>, rows: string, columns: string): Matrix {
    const described = this.tensor(tensor);
    const size = (name: string) => (name ? (described?.sizes[axis(described, name)] ?? 1) : 1);
    return {
      rows: size(rows),
      columns: size(columns),
      part: (own, across, block = [1, 1]) => {
        const window: Window = { ...fixed };
        const blocks: Record<string, number> = {};
        for (const [name, range, step] of [[rows, own, block[0]], [columns, across, block[1]]] as const) {
          if (name) [window[name], blocks[name]] = [range, step];
        }
        const found = this.numbers(tensor, phase, window, blocks);
        const isTurned = described && rows && columns && axis(described, rows) > axis(described, columns);
        const height = Math.ceil((own[1] - own[0]) / block[0]);
        return isTurned ? found.then((numbers) => turned(numbers, height)) : found;
      },
    };
  }

  summary(tensor: string, phase: Phase = "forward"): Promise<Summary> {
    return this.summaries.get(`${phase} ${tensor}`, () => this.asking.get(`traces/${this.id}/summary`, { tensor, phase }));
  }

  cell(text: string): Promise<Cell> {
    return this.cells.get(text, () => this.asking.get(`traces/${this.id}/cell`, { cell: text }));
  }

  path(text: string): Promise<Step[]> {
    return this.paths.get(text, () => this.asking.get(`traces/${this.id}/path`, { cell: text }));
  }

  /** The function of kqv's source that a line belongs to. */
  excerpt(location: string): Promise<Excerpt> {
    return excerpt(location, this.asking);
  }

  /** The word that stands at a position of a dimension; "" without any, or where it was not sent. */
  word(tensor: string, dimension: string, position: number, example = 0): string {
    const lists = this.tensor(tensor)?.words[dimension] ?? this.header.words[dimension];
    return (lists?.[example] ?? lists?.[0])?.[position] ?? "";
  }

  /** A position in words: `query “it”`, else `query 3`. */
  position(tensor: string, dimension: string, position: number, example = 0): string {
    const word = this.word(tensor, dimension, position, example);
    return `${dimension} ${word ? `“${word}”` : position}`;
  }
}

const opened = new Kept<Trace>(6);

/** A trace that the server has; an `ApiError` says so where it was dropped. */
export async function open(id: string): Promise<Trace> {
  return opened.get(id, async () => new Trace(await get<Header>(`traces/${id}`)));
}

/** A trace of a model on an input, as `kqv trace` makes it; one that the server has already is not made again. */
export async function make(wanted: { model: string; input?: string; label?: string; training?: boolean; like?: string }): Promise<Trace> {
  const header = await post<Header>("traces", wanted);
  return opened.get(header.id, () => Promise.resolve(new Trace(header)));
}

const excerpts = new Kept<Excerpt>(MOST_ANSWERS);

/** The function that a line of kqv's source belongs to. */
export function excerpt(location: string, asking: Asking = SERVER): Promise<Excerpt> {
  return excerpts.get(location, () => {
    const colon = location.lastIndexOf(":");
    return asking.get("code", { file: location.slice(0, colon), line: location.slice(colon + 1) });
  });
}

/** A cell as the server reads it: `grad:logits[0,3,7]`. */
export function cellText(tensor: string, phase: Phase, index: readonly number[]): string {
  return `${PREFIXES[phase]}${tensor}${index.length ? `[${index.join(",")}]` : ""}`;
}

/** A value as a number: "−∞" is one for drawing and comparing. */
export function numberOf(value: Value | null | undefined): number {
  if (typeof value === "number") return value;
  return value === "∞" ? Infinity : value === "−∞" ? -Infinity : NaN;
}

/** What an axis is called in a window: its dimension, or its number where nobody named it. */
export function axisNames(tensor: Tensor): string[] {
  return tensor.dimensions.length ? tensor.dimensions : tensor.sizes.map((_, at) => `#${at}`);
}

const axis = (tensor: Tensor, name: string) => axisNames(tensor).indexOf(name);

function windowText(window: Window): string {
  return Object.entries(window)
    .map(([name, at]) => `${name}=${typeof at === "number" ? at : `${at[0]}:${at[1]}`}`)
    .join(",");
}

/** What an optimizer's step used for a parameter, as a tensor of its own. */
function partOf(tensor: Tensor, part: { name: string; sizes: number[]; dimensions: string[] }): Tensor {
  return { ...tensor, ...part, name: `${tensor.name}.${part.name}`, aliases: [], phases: ["update"], symbol: "", elements: [], "update tensors": [] };
}

/** Columns that came as rows, `height` of them wanted as rows. */
function turned(numbers: Float32Array, height: number): Float32Array {
  const width = numbers.length / height;
  const found = new Float32Array(numbers.length);
  for (let column = 0; column < width; column++)
    for (let row = 0; row < height; row++) found[row * width + column] = numbers[column * height + row] as number;
  return found;
}
