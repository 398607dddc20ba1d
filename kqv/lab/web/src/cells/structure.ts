// What is not arithmetic itself: names of intermediate results, columns, and choices.

import { Expression, partAt, type Rendering } from "./expression";
import { broadcast, broadcastShape, type Shape } from "./numbers";

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
