// Operands: recorded tensors, read through the view that a call had of them; and elements of them.

import { Expression, type Rendering } from "./expression";
import { flatten, product, type Shape, unflatten } from "./numbers";

export type Phase = "forward" | "backward" | "update";

/** What is known of a tensor without its numbers. */
export interface About {
  sizes: Shape;
  dimensions: readonly string[];
}

/** Where the numbers are: each by its position, counted row by row; undefined for one that is not there. */
export interface Host {
  about(name: string): About | undefined;
  reader(phase: Phase, name: string): ((position: number) => number | undefined) | undefined;
  /** Whether all of its numbers are there. */
  isWhole(phase: Phase, name: string): boolean;
}

/** An operand as the data has it: a tensor, perhaps moved by an offset and strides, or by tables. */
export interface View {
  tensor?: string;
  tensors?: string[];
  phase?: Phase;
  sizes?: number[];
  offset?: number;
  strides?: number[];
  factors?: number[][];
  which?: string | null;
  at?: string;
}

/** A number that is needed and not there. */
export class Missing extends Error {
  readonly cell: string;

  constructor(cell: string) {
    super(`${cell} is not here`);
    this.cell = cell;
  }
}

const PREFIX: Record<Phase, string> = { forward: "", backward: "grad:", update: "update:" };

/** A cell as it is typed: `scores[query=3, key=1]`. */
export function cellText(phase: Phase, name: string, dimensions: readonly string[], index: Shape): string {
  const named = dimensions.length === index.length;
  const positions = index.map((position, axis) => (named ? `${dimensions[axis]}=${position}` : `${position}`));
  return PREFIX[phase] + name + (positions.length ? `[${positions.join(", ")}]` : "");
}

export function unpacked(base64: string): Int32Array {
  return new Int32Array(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
}

export class Operand {
  readonly offset: number;
  private readonly axes: { size: number; stride: number }[][]; // of each axis those that were joined to it
  private readonly names: string[];
  private readonly phase: Phase;
  private readonly host: Host;
  private readonly which: Int32Array | null;
  private readonly at: Int32Array | null;
  private readonly readers: (((position: number) => number | undefined) | undefined)[];

  constructor(view: View, host: Host) {
    this.host = host;
    this.names = view.tensors ?? [view.tensor!];
    this.phase = view.phase ?? "forward";
    const sizes = view.sizes ?? host.about(this.names[0]!)?.sizes ?? [];
    const factors = view.factors ?? sizes.map((size) => [size]);
    let strides = view.strides ?? sizes.map((_, axis) => product(sizes.slice(axis + 1)));
    this.axes = factors.map((own) => {
      const joined = own.map((size, at) => ({ size, stride: strides[at]! }));
      strides = strides.slice(own.length);
      return joined;
    });
    this.offset = view.offset ?? 0;
    this.which = view.which ? unpacked(view.which) : null;
    this.at = view.at ? unpacked(view.at) : null;
    this.readers = this.names.map((name) => host.reader(this.phase, name));
  }

  /** The name of the element at `offset` + Σ stride·position. */
  label(inner: number): string {
    const name = this.names[this.which?.[inner] ?? 0]!;
    const about = this.host.about(name);
    const position = this.at ? this.at[inner]! : inner;
    return cellText(this.phase, name, about?.dimensions ?? [], unflatten(position, about?.sizes ?? []));
  }

  private found(inner: number): number | undefined {
    return this.readers[this.which?.[inner] ?? 0]?.(this.at ? this.at[inner]! : inner);
  }

  has(inner: number): boolean {
    return this.found(inner) !== undefined;
  }

  read(inner: number): number {
    const value = this.found(inner);
    if (value === undefined) throw new Missing(this.label(inner));
    return value;
  }

  /** How far a position along an axis leads. */
  step(axis: number, position: number): number {
    let total = 0;
    const joined = this.axes[axis]!;
    for (let at = joined.length - 1; at > 0; at--) {
      const { size, stride } = joined[at]!;
      total += (position % size) * stride;
      position = Math.floor(position / size);
    }
    return total + position * joined[0]!.stride;
  }

  inner(index: Shape): number {
    return index.reduce((total, position, axis) => total + this.step(axis, position), this.offset);
  }
}

export class Elements extends Expression {
  readonly shape: Shape;
  private readonly operand: Operand;
  private readonly inner: Int32Array;

  constructor(operand: Operand, inner: Int32Array, shape: Shape) {
    super();
    this.operand = operand;
    this.inner = inner;
    this.shape = shape;
  }

  override get isExact(): boolean {
    return true;
  }

  protected evaluated(): Float64Array {
    return Float64Array.from(this.inner, (inner) => this.operand.read(inner));
  }

  protected override looked(): boolean {
    const { inner, operand } = this;
    if (inner.length && !operand.has(inner[inner.length - 1]!)) return false; // what is cut off mostly stands last
    for (let at = 0; at < inner.length; at++) if (!operand.has(inner[at]!)) return false;
    return true;
  }

  at(index: Shape): Expression {
    if (!index.length) return this;
    const rest = this.shape.slice(index.length);
    const start = flatten(index, this.shape.slice(0, index.length)) * product(rest);
    return new Elements(this.operand, this.inner.subarray(start, start + product(rest)), rest);
  }

  text(rendering: Rendering): string {
    const label = this.operand.label(this.inner[0]!);
    rendering.sources.set(label, this.value());
    rendering.keep(label);
    return rendering.number(this.value());
  }
}
