// Constants, signs, functions, powers, names and choices.

import { bracketed, Expression, partAt, type Rendering, times } from "./expression";
import { FUNCTIONS } from "./functions";
import { broadcast, broadcastShape, type Shape, UNDERFLOW } from "./numbers";

const BASIC: Record<string, (a: number, b: number) => number> = {
  "+": (a, b) => a + b,
  "−": (a, b) => a - b,
  "·": (a, b) => a * b,
  "/": (a, b) => a / b,
};

export class Constant extends Expression {
  readonly shape: Shape = [];
  private readonly constant: number;

  constructor(constant: number) {
    super();
    this.constant = constant;
  }

  override get isExact(): boolean {
    return Math.fround(this.constant) === this.constant;
  }

  protected evaluated(): Float64Array {
    return Float64Array.of(this.constant);
  }

  at(): Expression {
    return this;
  }

  text(rendering: Rendering): string {
    return rendering.number(this.constant);
  }
}

export class Negative extends Expression {
  readonly shape: Shape;
  private readonly content: Expression;

  constructor(content: Expression) {
    super();
    this.content = content;
    this.shape = content.shape;
  }

  override get strength(): number {
    return 2;
  }

  override get isExact(): boolean {
    return this.content.isExact;
  }

  protected override parts(): Expression[] {
    return [this.content];
  }

  protected evaluated(): Float64Array {
    return this.content.values().map((value) => -value);
  }

  protected override measured(): Float64Array {
    return this.content.scale();
  }

  at(index: Shape): Expression {
    return index.length ? new Negative(this.content.at(index)) : this;
  }

  text(rendering: Rendering): string {
    return `−${bracketed(this.content, 2, rendering)}`;
  }

  override printed(rendering: Rendering): number {
    return -this.content.printed(rendering);
  }
}

/** Sum, difference, product or quotient. */
export class Binary extends Expression {
  readonly shape: Shape;
  private readonly sign: string;
  private readonly left: Expression;
  private readonly right: Expression;

  constructor(sign: string, left: Expression, right: Expression) {
    super();
    this.sign = sign;
    this.left = left;
    this.right = right;
    this.shape = broadcastShape(left.shape, right.shape);
  }

  override get strength(): number {
    return this.isSum ? 1 : 2;
  }

  private get isSum(): boolean {
    return this.sign === "+" || this.sign === "−";
  }

  private combined(left: Float64Array, right: Float64Array, how: (a: number, b: number, at: number) => number): Float64Array {
    const a = broadcast(left, this.left.shape, this.shape);
    const b = broadcast(right, this.right.shape, this.shape);
    return a.map((value, at) => how(value, b[at]!, at));
  }

  protected override parts(): Expression[] {
    return [this.left, this.right];
  }

  protected evaluated(): Float64Array {
    return this.combined(this.left.values(), this.right.values(), BASIC[this.sign]!);
  }

  override summed(): Float64Array {
    if (!this.isSum) return this.scale();
    return this.combined(this.left.summed(), this.right.summed(), (a, b) => a + b);
  }

  protected override measured(): Float64Array {
    if (this.isSum) return this.left.isExact && this.right.isExact ? this.values().map(Math.abs) : this.summed();
    const left = broadcast(this.left.values(), this.left.shape, this.shape);
    const right = broadcast(this.right.values(), this.right.shape, this.shape);
    return this.combined(this.left.scale(), this.right.scale(), (leftScale, rightScale, at) => {
      const a = Math.abs(left[at]!);
      const b = Math.abs(right[at]!);
      if (this.sign === "·") return times(leftScale, b) + times(rightScale - b, a) + UNDERFLOW;
      return (leftScale + times(rightScale / b - 1, a)) / b + UNDERFLOW;
    });
  }

  at(index: Shape): Expression {
    if (!index.length) return this;
    const depth = this.shape.length;
    return new Binary(this.sign, partAt(this.left, index, depth), partAt(this.right, index, depth));
  }

  text(rendering: Rendering): string {
    let left = this.left.text(rendering);
    if (this.left.strength < this.strength) left = `(${left})`;
    const right = bracketed(this.right, this.strength + (this.sign === "−" || this.sign === "/" ? 1 : 0), rendering);
    return this.isSum ? `${left} ${this.sign} ${right}` : `${left}${this.sign}${right}`;
  }

  override printed(rendering: Rendering): number {
    return BASIC[this.sign]!(this.left.printed(rendering), this.right.printed(rendering));
  }
}

/** A function of one number, at each position. */
export class Function extends Expression {
  readonly shape: Shape;
  private readonly sign: string;
  private readonly argument: Expression;

  constructor(sign: string, argument: Expression) {
    super();
    this.sign = sign;
    this.argument = argument;
    this.shape = argument.shape;
  }

  protected override parts(): Expression[] {
    return [this.argument];
  }

  protected evaluated(): Float64Array {
    return this.argument.values().map(FUNCTIONS[this.sign]!.of);
  }

  protected override measured(): Float64Array {
    const [values, scales, { slope }] = [this.argument.values(), this.argument.scale(), FUNCTIONS[this.sign]!];
    return this.values().map((value, at) => Math.abs(value) + times(scales[at]!, Math.abs(slope(values[at]!))) + UNDERFLOW);
  }

  at(index: Shape): Expression {
    return index.length ? new Function(this.sign, this.argument.at(index)) : this;
  }

  text(rendering: Rendering): string {
    const inside = this.argument.text(rendering);
    return this.sign === "|·|" ? `|${inside}|` : `${this.sign}(${inside})`;
  }

  override printed(rendering: Rendering): number {
    return FUNCTIONS[this.sign]!.of(this.argument.printed(rendering));
  }
}

/** A constant power. */
export class Power extends Expression {
  readonly shape: Shape;
  private readonly base: Expression;
  private readonly exponent: number;

  constructor(base: Expression, exponent: number) {
    super();
    this.base = base;
    this.exponent = exponent;
    this.shape = base.shape;
  }

  override get strength(): number {
    return 3;
  }

  protected override parts(): Expression[] {
    return [this.base];
  }

  protected evaluated(): Float64Array {
    return this.base.values().map((value) => value ** this.exponent);
  }

  protected override measured(): Float64Array {
    const scales = this.base.scale();
    return this.base.values().map((value, at) => {
      const size = Math.abs(value);
      const slope = this.exponent * size ** (this.exponent - 1);
      return size ** this.exponent + times(scales[at]! - size, Math.abs(slope)) + UNDERFLOW;
    });
  }

  at(index: Shape): Expression {
    return index.length ? new Power(this.base.at(index), this.exponent) : this;
  }

  text(rendering: Rendering): string {
    const raised = [...String(this.exponent)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"["0123456789-".indexOf(digit)]).join("");
    return bracketed(this.base, 4, rendering) + raised;
  }

  override printed(rendering: Rendering): number {
    return this.base.printed(rendering) ** this.exponent;
  }
}

/** An intermediate result with a symbol of its own; shown as its number, its arithmetic on a line of its own. */
export class Named extends Expression {
  readonly shape: Shape;
  private readonly symbol: string;
  private readonly meaning: Expression;

  constructor(symbol: string, meaning: Expression) {
    super();
    this.symbol = symbol;
    this.meaning = meaning;
    this.shape = meaning.shape;
  }

  override get isExact(): boolean {
    return this.meaning.isExact;
  }

  protected override parts(): Expression[] {
    return [this.meaning];
  }

  protected evaluated(): Float64Array {
    return this.meaning.values();
  }

  protected override measured(): Float64Array {
    return this.meaning.scale();
  }

  override summed(): Float64Array {
    return this.meaning.summed();
  }

  at(index: Shape): Expression {
    return index.length ? new Named(this.symbol, this.meaning.at(index)) : this;
  }

  text(rendering: Rendering): string {
    const value = this.value();
    const key = `${this.symbol}\n${value}`;
    if (!rendering.named.has(key)) rendering.named.set(key, { symbol: this.symbol, value, meaning: this.meaning });
    rendering.keep(key);
    return rendering.number(value);
  }
}

/** The same numbers with a last axis of size one behind them, so that they broadcast along rows. */
export class Column extends Expression {
  readonly shape: Shape;
  private readonly content: Expression;

  constructor(content: Expression) {
    super();
    this.content = content;
    this.shape = [...content.shape, 1];
  }

  override get strength(): number {
    return this.content.strength;
  }

  override get isExact(): boolean {
    return this.content.isExact;
  }

  protected override parts(): Expression[] {
    return [this.content];
  }

  protected evaluated(): Float64Array {
    return this.content.values();
  }

  protected override measured(): Float64Array {
    return this.content.scale();
  }

  override summed(): Float64Array {
    return this.content.summed();
  }

  at(index: Shape): Expression {
    const depth = this.content.shape.length;
    const inner = this.content.at(index.slice(0, depth));
    return index.length > depth ? inner : new Column(inner);
  }

  text(rendering: Rendering): string {
    return this.content.text(rendering);
  }

  override printed(rendering: Rendering): number {
    return this.content.printed(rendering);
  }
}

/** `chosen` where the condition's number is above zero, else `other`. */
export class Choice extends Expression {
  readonly shape: Shape;
  private readonly condition: Expression;
  private readonly chosen: Expression;
  private readonly other: Expression;
  private readonly name: string;

  constructor(condition: Expression, chosen: Expression, other: Expression, name = "") {
    super();
    this.condition = condition;
    this.chosen = chosen;
    this.other = other;
    this.name = name;
    this.shape = broadcastShape(condition.shape, chosen.shape, other.shape);
  }

  override get strength(): number {
    return 0;
  }

  override get isExact(): boolean {
    return this.chosen.isExact && this.other.isExact;
  }

  protected override looked(): boolean {
    if (!this.condition.isThere()) return false;
    return this.shape.length ? this.chosen.isThere() && this.other.isThere() : this.taken.isThere();
  }

  private decided(of: (part: Expression) => Float64Array): Float64Array {
    const conditions = broadcast(this.condition.values(), this.condition.shape, this.shape);
    if (conditions.length === 1) return of(conditions[0]! > 0 ? this.chosen : this.other); // the other may be unknown
    const chosen = broadcast(of(this.chosen), this.chosen.shape, this.shape);
    const other = broadcast(of(this.other), this.other.shape, this.shape);
    return conditions.map((condition, at) => (condition > 0 ? chosen[at]! : other[at]!));
  }

  protected evaluated(): Float64Array {
    return this.decided((part) => part.values());
  }

  protected override measured(): Float64Array {
    return this.decided((part) => part.scale());
  }

  at(index: Shape): Expression {
    if (!index.length) return this;
    const depth = this.shape.length;
    const [condition, chosen, other] = [this.condition, this.chosen, this.other].map((part) => partAt(part, index, depth));
    return new Choice(condition!, chosen!, other!, this.name);
  }

  private get taken(): Expression {
    return this.condition.value() > 0 ? this.chosen : this.other;
  }

  text(rendering: Rendering): string {
    const chosen = this.taken.text(rendering);
    const condition = this.condition.text(rendering);
    if (this.name) return `${chosen} because ${this.name} = ${condition}`;
    return `${chosen} because ${condition} ${this.condition.value() > 0 ? "> 0" : "≤ 0"}`;
  }

  override printed(rendering: Rendering): number {
    return this.taken.printed(rendering);
  }
}
