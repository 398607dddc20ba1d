// Functions of one number, and constant powers.

import { bracketed, Expression, type Rendering, times } from "./expression";
import { FUNCTIONS } from "./functions";
import { type Shape, UNDERFLOW } from "./numbers";

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
