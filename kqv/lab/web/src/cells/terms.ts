// Constants, signs, sums and products.

import { bracketed, Expression, partAt, type Rendering, times } from "./expression";
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
