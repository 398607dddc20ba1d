// What an expression is: arithmetic over elements of tensors, with values, a scale (Σ|terms|), and its text.

import { number, product, rounded, type Shape } from "./numbers";

const SIGNIFICANT = 6;
const MOST_DIGITS = 17; // a number in double precision has no more

/** What a text shows: how many terms of a sum, which elements, which intermediate results, with how many digits. */
export class Rendering {
  digits = SIGNIFICANT;
  sources = new Map<string, number>();
  named = new Map<string, { symbol: string; value: number; meaning: Expression }>();
  shown = new Map<string, number>();
  terms: number;

  constructor(terms = 6) {
    this.terms = terms;
  }

  /** The text with as many digits as it takes that the printed numbers give the value to `digits` significant ones. */
  textOf(expression: Expression, digits = SIGNIFICANT): string {
    const value = expression.value();
    const unit = value && Number.isFinite(value) ? 10 ** (Math.floor(Math.log10(Math.abs(value))) - digits + 1) : 0;
    for (this.digits = digits; this.digits <= MOST_DIGITS; this.digits++) {
      if (!(Math.abs(expression.printed(this) - value) > 0.5 * unit)) break;
    }
    this.digits = Math.min(this.digits, MOST_DIGITS);
    return expression.text(this);
  }

  number(value: number): string {
    return number(value, this.digits);
  }

  rounded(value: number): number {
    return rounded(value, this.digits);
  }

  keep(key: string): void {
    this.shown.set(key, Math.max(this.digits, this.shown.get(key) ?? 0));
  }
}

export abstract class Expression {
  private keptValues?: Float64Array;
  private keptScale?: Float64Array;
  private keptThere?: boolean;
  abstract readonly shape: Shape;

  /** How tightly the outermost sign of the text binds: 0 words, 1 sum, 2 product, 3 power, 9 needs no brackets. */
  get strength(): number {
    return 9;
  }

  /** Whether single precision holds the numbers as they are: elements, chosen among or with another sign. */
  get isExact(): boolean {
    return false;
  }

  protected abstract evaluated(): Float64Array;
  abstract at(index: Shape): Expression;
  abstract text(rendering: Rendering): string;

  protected measured(): Float64Array {
    return this.values().map(Math.abs);
  }

  values(): Float64Array {
    return (this.keptValues ??= this.evaluated());
  }

  /** The size that rounding errors are measured by. */
  scale(): Float64Array {
    return (this.keptScale ??= this.measured());
  }

  /** The scale as a term of a larger sum: Σ|terms| also of what has none of its own. */
  summed(): Float64Array {
    return this.scale();
  }

  /** The expressions directly below. */
  protected parts(): Expression[] {
    return [];
  }

  /** Whether all numbers that it takes are there. */
  isThere(): boolean {
    return (this.keptThere ??= this.looked());
  }

  protected looked(): boolean {
    return this.parts().every((part) => part.isThere());
  }

  value(): number {
    return this.values()[0]!;
  }

  /** What the text gives when its numbers are taken as they are printed. */
  printed(rendering: Rendering): number {
    return rendering.rounded(this.value());
  }

  get count(): number {
    return product(this.shape);
  }
}

export function bracketed(part: Expression, strength: number, rendering: Rendering): string {
  const text = part.text(rendering);
  return part.strength < strength || text.startsWith("−") ? `(${text})` : text;
}

/** `a + b + (−c) + more`. */
export function sumText(parts: Expression[], more: string, rendering: Rendering): string {
  const terms = parts.map((part, at) => {
    if (at) return bracketed(part, 2, rendering);
    return part.strength >= 2 ? part.text(rendering) : `(${part.text(rendering)})`;
  });
  return [...terms, ...(more ? [more] : [])].join(" + ") || "0";
}

/** error·factor, where nothing at all of an unbounded error is 0. */
export function times(error: number, factor: number): number {
  return error === 0 || factor === 0 ? 0 : error * factor;
}

/** A part of a broadcast expression with `depth` axes, at an index of these. */
export function partAt(part: Expression, index: Shape, depth: number): Expression {
  const missing = depth - part.shape.length;
  const own = index.length > missing ? index.slice(missing) : [];
  return part.at(own.map((position, axis) => (part.shape[axis] === 1 ? 0 : position)));
}
