// Arithmetic whose index is open, as data (see kqv/trace/opened/trees.py), closed at one index.

import { Function, Power } from "./powers";
import { Choice, Column, Named } from "./structure";
import { Binary, Constant, Negative } from "./terms";
import type { Expression } from "./expression";
import { product, type Shape } from "./numbers";
import { Elements, type Operand } from "./operands";
import { Reduction, Total } from "./reductions";

/** A calculation of a position: a number, or a sign with what it takes. */
export type Form = number | string | readonly unknown[];
type Node = readonly [string, ...unknown[]];

export interface Tree {
  nodes: Node[];
  lists?: [number, Form, Form | null][];
}

const WORDS: Record<string, number> = { "∞": Infinity, "−∞": -Infinity, NaN };
const SIGNS: Record<string, (a: number, b: number) => number> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "//": (a, b) => Math.floor(a / b),
  "%": (a, b) => ((a % b) + b) % b,
  min: Math.min,
  max: Math.max,
  ">=": (a, b) => Number(a >= b),
  "=": (a, b) => Number(a === b),
  "<": (a, b) => Number(a < b),
};

function plain(value: unknown): number {
  return typeof value === "string" ? WORDS[value]! : (value as number);
}

/** A tree at one index; `consulted` names the whole numbers that decided what is computed. */
export class Closing {
  readonly consulted = new Set<string>();
  private readonly tree: Tree;
  private readonly operands: Operand[];
  private readonly index: Shape;
  private readonly variables = new Map<number, number>();
  private built = new Map<number, Expression>();
  private lists = new Map<string, number[]>();
  private axes: Shape = [];
  private candidate = 0;

  constructor(tree: Tree, operands: Operand[], index: Shape) {
    this.tree = tree;
    this.operands = operands;
    this.index = index;
  }

  expression(): Expression {
    return this.node(this.tree.nodes.length - 1);
  }

  private node(number: number): Expression {
    let found = this.built.get(number);
    if (!found) this.built.set(number, (found = this.made(this.tree.nodes[number]!)));
    return found;
  }

  private made([kind, ...given]: Node): Expression {
    const [a, b, c] = given as [number, number, number];
    switch (kind) {
      case "number": return new Constant(plain(a));
      case "fixed": return this.fixed(given as [number[] | number, Form, Form]);
      case "elements": return this.elements(given as [number, Form[], Form[]]);
      case "negative": return new Negative(this.node(a));
      case "function": return new Function(given[0] as string, this.node(b));
      case "power": return new Power(this.node(a), b);
      case "over": return new Reduction(given[0] as "Σ" | "max" | "argmax", this.node(b), c);
      case "total": return new Total((given[0] as number[]).map((part) => this.node(part)));
      case "each": return this.each(given as [number, number, Form, number]);
      case "named": return new Named(given[0] as string, this.node(b));
      case "column": return new Column(this.node(a));
      case "choice": return new Choice(this.node(a), this.node(b), this.node(c), given[3] as string);
      case "when": return this.node(this.form(given[0] as Form) ? b : c);
      default: return new Binary(kind, this.node(a), this.node(b));
    }
  }

  private fixed([table, position, times]: [(number | string)[] | number, Form, Form]): Constant {
    const found = Array.isArray(table) ? plain(table[this.form(position)]) : this.form(times);
    return new Constant(Array.isArray(table) ? found * this.form(times) : found);
  }

  private each([variable, count, test, term]: [number, number, Form, number]): Expression {
    const terms: Expression[] = [];
    const outer = this.built;
    for (let position = 0; position < count; position++) {
      this.variables.set(variable, position);
      this.built = new Map();
      if (this.form(test)) terms.push(this.node(term));
    }
    this.variables.delete(variable);
    this.built = outer;
    return new Total(terms);
  }

  private elements([slot, positions, counts]: [number, Form[], Form[]]): Elements {
    const operand = this.operands[slot]!;
    const shape = counts.map((count) => this.form(count));
    let base = operand.offset;
    const along = shape.map((size) => new Float64Array(size)); // what each position along an axis adds
    const together: [Form, number][] = []; // what takes several axes to know
    positions.forEach((form, axis) => {
      const used = axesOf(form);
      if (!used.size) base += operand.step(axis, this.form(form));
      else if (used.size > 1) together.push([form, axis]);
      else {
        const own = [...used][0]!;
        const at = new Array<number>(shape.length).fill(0);
        for (let position = 0; position < shape[own]!; position++) {
          at[own] = position;
          along[own]![position]! += operand.step(axis, this.formAt(form, at));
        }
      }
    });
    return new Elements(operand, this.inner(operand, shape, base, along, together), shape);
  }

  private inner(operand: Operand, shape: Shape, base: number, along: Float64Array[], together: [Form, number][]): Int32Array {
    const found = new Int32Array(product(shape));
    const at = new Array<number>(shape.length).fill(0);
    for (let flat = 0; flat < found.length; flat++) {
      let inner = base;
      for (let axis = 0; axis < shape.length; axis++) inner += along[axis]![at[axis]!]!;
      for (const [form, axis] of together) inner += operand.step(axis, this.formAt(form, at));
      found[flat] = inner;
      for (let axis = shape.length - 1; axis >= 0 && ++at[axis]! === shape[axis]!; axis--) at[axis] = 0;
    }
    return found;
  }

  private formAt(form: Form, axes: Shape): number {
    this.axes = axes;
    return this.form(form);
  }

  /** The number of a calculation, or whether a test is passed. */
  private form(form: Form): number {
    if (typeof form !== "object") return plain(form);
    const [kind, a, b] = form as [string, Form, Form];
    switch (kind) {
      case "i": return this.index[a as number]!;
      case "a": return this.axes[a as number]!;
      case "r": return this.candidate;
      case "v": return this.variables.get(a as number)!;
      case "at":
      case "look": return this.looked(kind, a as number, b as Form[]);
      case "list": return this.list(a as number)[this.form(b)]!;
      case "count": return this.list(a as number).length;
      case "table": return (a as number[])[this.form(b)]!;
      case "and": return Number(this.form(a) && this.form(b));
      case "not": return Number(!this.form(a));
      case "nan": return Number(Number.isNaN(this.node(a as number).value()));
      case "value=": return Number(this.node(a as number).value() === this.node(b as number).value());
      case "value>": return Number(this.node(a as number).value() > this.node(b as number).value());
      default: return SIGNS[kind]!(this.form(a), this.form(b));
    }
  }

  private looked(kind: string, slot: number, positions: Form[]): number {
    const operand = this.operands[slot]!;
    const inner = operand.inner(positions.map((position) => this.form(position)));
    if (kind === "at") this.consulted.add(operand.label(inner));
    return operand.read(inner);
  }

  /** The positions that pass the test of a list. */
  private list(number: number): number[] {
    const key = `${number}|${[...this.variables.values()].join()}`;
    let found = this.lists.get(key);
    if (!found) {
      const [count, test, told] = this.tree.lists![number]!;
      const [candidate, kept] = [this.candidate, [] as number[]];
      for (this.candidate = 0; this.candidate < count; this.candidate++) {
        if (this.form(test)) kept.push(this.candidate);
      }
      for (this.candidate of told === null ? [] : kept) this.form(told!);
      this.candidate = candidate;
      this.lists.set(key, (found = kept));
    }
    return found;
  }
}

/** The axes whose positions a calculation takes. */
function axesOf(form: unknown, found = new Set<number>()): Set<number> {
  if (!Array.isArray(form)) return found;
  if (form[0] === "a") found.add(form[1] as number);
  else for (const part of form) axesOf(part, found);
  return found;
}
