// Many numbers become one: sums, the largest, the position of the largest.

import { Expression, type Rendering, sumText } from "./expression";
import { descending, exactSum, product, type Shape, sum, unflatten } from "./numbers";

interface Shown {
  positions: number[];
  parts: Expression[];
  rest: number;
  more: number;
}

type Sign = "Σ" | "max" | "argmax";

/** Over the last `axes` axes of an expression. */
export class Reduction extends Expression {
  readonly shape: Shape;
  private readonly sign: Sign;
  private readonly terms: Expression;
  private readonly axes: number;
  private readonly reduced: number;
  private readonly found = new Map<number, Shown>();

  constructor(sign: Sign, terms: Expression, axes: number) {
    super();
    this.sign = sign;
    this.terms = terms;
    this.axes = axes;
    const kept = terms.shape.length - axes;
    this.shape = terms.shape.slice(0, kept);
    this.reduced = product(terms.shape.slice(kept));
  }

  override get strength(): number {
    if (this.sign !== "Σ" || this.reduced === 0) return 9;
    return this.reduced > 1 ? 1 : this.terms.strength;
  }

  override get isExact(): boolean {
    return this.sign === "argmax" || (this.sign === "max" && this.terms.isExact);
  }

  protected override parts(): Expression[] {
    return [this.terms];
  }

  private rows(values: Float64Array, of: (row: Float64Array, at: number) => number): Float64Array {
    return new Float64Array(this.count).map((_, at) => of(values.subarray(at * this.reduced, (at + 1) * this.reduced), at));
  }

  protected evaluated(): Float64Array {
    const values = this.terms.values();
    if (this.sign === "Σ") return this.rows(values, (row) => sum(row));
    return this.rows(values, (row) => (this.sign === "max" ? row[largest(row)]! : largest(row)));
  }

  protected override measured(): Float64Array {
    if (this.sign === "argmax") return this.values().map(Math.abs);
    const scales = this.terms.scale();
    if (this.sign === "Σ") return this.rows(scales, (row) => sum(row));
    return this.rows(this.terms.values(), (row, at) => scales[at * this.reduced + largest(row)]!);
  }

  at(index: Shape): Expression {
    return index.length ? new Reduction(this.sign, this.terms.at(index), this.axes) : this;
  }

  /** The largest terms with their positions, the sum of the rest, and how many that are. */
  private shown(most: number): Shown {
    let found = this.found.get(most);
    if (!found) this.found.set(most, (found = this.chosen(most)));
    return found;
  }

  private chosen(most: number): Shown {
    const values = this.terms.values();
    const order = descending(this.sign === "Σ" ? values.map(Math.abs) : values, most);
    const positions = [...order].sort((a, b) => a - b);
    const left = values.slice();
    for (const position of positions) left[position] = 0;
    const parts = positions.map((position) => this.terms.at(unflatten(position, this.terms.shape)));
    return { positions, parts, rest: sum(left), more: values.length - parts.length };
  }

  override printed(rendering: Rendering): number {
    const { positions, parts, rest, more } = this.shown(rendering.terms);
    const values = parts.map((part) => part.printed(rendering));
    if (this.sign === "Σ") return exactSum(more ? [...values, rendering.rounded(rest)] : values);
    const at = largest(values);
    return this.sign === "max" ? values[at]! : positions[at]!;
  }

  text(rendering: Rendering): string {
    const { positions, parts, rest, more } = this.shown(rendering.terms);
    if (this.sign === "Σ") {
      if (parts.length === 1 && !more) return parts[0]!.text(rendering);
      return sumText(parts, more ? `[${more} more: ${rendering.number(rest)}]` : "", rendering);
    }
    let texts = parts.map((part) => part.text(rendering));
    if (this.sign === "argmax") texts = texts.map((text, at) => `${positions[at]}: ${text}`);
    return `${this.sign}(${texts.join(", ")}${more ? `, … ${more} smaller` : ""})`;
  }
}

/** The position of the largest: the first of several, and the first NaN before all. */
function largest(values: ArrayLike<number>): number {
  let found = 0;
  for (let at = 0; at < values.length; at++) {
    if (Number.isNaN(values[at]!)) return at;
    if (values[at]! > values[found]!) found = at;
  }
  return found;
}

/** Sum of separate expressions, each with arithmetic of its own. */
export class Total extends Expression {
  readonly shape: Shape = [];
  private readonly summands: Expression[];

  constructor(summands: Expression[]) {
    super();
    this.summands = summands;
  }

  override get strength(): number {
    if (this.summands.length > 1) return 1;
    return this.summands[0]?.strength ?? 9;
  }

  protected override parts(): Expression[] {
    return this.summands;
  }

  protected evaluated(): Float64Array {
    return Float64Array.of(exactSum(this.summands.map((part) => part.value())));
  }

  protected override measured(): Float64Array {
    return Float64Array.of(exactSum(this.summands.map((part) => part.scale()[0]!)));
  }

  at(): Expression {
    return this;
  }

  private shown(most: number): { parts: Expression[]; rest: number; more: number } {
    const values = this.summands.map((part) => part.value());
    const chosen = new Set(descending(values.map(Math.abs), most));
    const rest = values.filter((_, at) => !chosen.has(at));
    return { parts: this.summands.filter((_, at) => chosen.has(at)), rest: exactSum(rest), more: rest.length };
  }

  override printed(rendering: Rendering): number {
    const { parts, rest, more } = this.shown(rendering.terms);
    const values = parts.map((part) => part.printed(rendering));
    return sum(more ? [...values, rendering.rounded(rest)] : values);
  }

  text(rendering: Rendering): string {
    if (this.summands.length === 1) return this.summands[0]!.text(rendering);
    const { parts, rest, more } = this.shown(rendering.terms);
    return sumText(parts, more ? `[${more} more: ${rendering.number(rest)}]` : "", rendering);
  }
}
