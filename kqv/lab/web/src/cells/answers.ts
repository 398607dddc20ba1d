// How one number of a trace came about, in the form of Python's `describe`: from the data that kqv/trace/opened writes.

import { Constant } from "./terms";
import { type Expression, Rendering } from "./expression";
import { flatten, number, short, type Shape, unflatten, UNDERFLOW } from "./numbers";
import { type About, cellText, Elements, type Host, Missing, Operand, type Phase, unpacked, type View } from "./operands";
import { Total } from "./reductions";
import { Closing, type Tree } from "./trees";

const TOLERANCE = 1e-5;
const CANCELLED = 1000;

interface Told {
  tree?: number;
  operands?: View[];
  told?: string[];
  share?: number;
  formula?: number;
  location?: number;
  unknown?: string;
  given?: number;
  whole?: string[];
  moved?: string;
}

interface Way {
  to?: string;
  hidden?: number;
  start?: number[];
  sizes?: number[];
  offset?: number;
  strides?: number[];
  from?: string;
  at?: string;
  whole?: number[];
}

interface Use extends Told {
  use?: string;
  foreign?: string;
  ways?: Way[];
}

interface TensorAnswers {
  forward?: Told;
  backward?: { uses: Use[]; used: boolean };
  update?: Told;
}

export interface AnswersData {
  tensors: Record<string, TensorAnswers>;
  trees: Tree[];
  texts: string[];
  hidden: Use[][];
  others: Record<string, About>;
}

/** What the page says of a tensor beside its numbers. */
export interface TensorAbout extends About {
  name: string;
  symbol: string;
  origin: string;
  formula: string;
  location: string;
  "named at": string;
  update?: { rule: string } | null;
}

/** One piece of arithmetic. */
export interface Piece {
  value: number;
  heading: string;
  formula: string;
  location: string;
  numbers: string;
  where: [string, string][];
  from: { cell: string; value: number }[];
  "chosen by": string[];
  check: string;
  agrees: boolean;
  evaluated: number | null;
  scale: number;
}

export interface Explained extends Piece {
  parts: Piece[];
  tensors: string[];
}

/** A piece before it is written down. */
interface Found {
  value: number | null;
  heading: string;
  formula: string;
  location: string;
  expression: Expression | null;
  share: number;
  consulted: string[];
  tensors?: string[];
}

export class Answers {
  private readonly data: AnswersData;
  private readonly host: Host;
  private readonly operands = new WeakMap<View[], Operand[]>();
  private readonly tensor: (name: string) => TensorAbout | undefined;

  constructor(data: AnswersData, tensor: (name: string) => TensorAbout | undefined, numbers: Omit<Host, "about">) {
    this.data = data;
    this.tensor = tensor;
    this.host = { about: (name) => tensor(name) ?? data.others[name], reader: numbers.reader, isWhole: numbers.isWhole };
  }

  /** Whether all numbers of a tensor can be explained, since all tensors that they take are whole. */
  explainsAll(phase: Phase, name: string): boolean {
    const told = this.data.tensors[name];
    if (!told) return false;
    if (phase === "backward") return !!told.backward && told.backward.uses.every((use) => this.isSupplied(use));
    const own = phase === "forward" ? told.forward : told.update;
    return !!own && this.isSupplied(own);
  }

  private isSupplied(told: Use): boolean {
    if (told.unknown !== undefined) return false;
    const isBehind = (way: Way): boolean => (way.hidden === undefined ? this.host.isWhole("backward", way.to!) : this.data.hidden[way.hidden]!.every((use) => this.isSupplied(use)));
    const names = (told.operands ?? []).flatMap((view) => (view.tensors ?? [view.tensor!]).map((name) => [view.phase ?? "forward", name] as const));
    return names.every(([phase, name]) => this.host.isWhole(phase, name)) && (told.ways ?? []).every(isBehind);
  }

  /** Whether one number can be explained: all numbers that it takes are there. */
  explains(phase: Phase, name: string, index: Shape): boolean {
    const [told, about] = [this.data.tensors[name], this.tensor(name)];
    if (!told || !about || this.host.reader(phase, name)?.(flatten(index, about.sizes)) === undefined) return false;
    try {
      if (phase === "backward") return !!told.backward && !!this.uses(told.backward.uses, index, about.sizes)?.every((part) => part.expression?.isThere() ?? true);
      const found = phase === "forward" ? told.forward && this.made(told.forward, about, index) : told.update && this.updated(told.update, about, index);
      return !!found && (found.expression?.isThere() ?? true);
    } catch (missing) {
      if (missing instanceof Missing) return false;
      throw missing;
    }
  }

  /** The explanation of one number; null where the trace does not know it. Throws `Missing` for a number that is needed
   * and not there. */
  explain(phase: Phase, name: string, index: Shape): Explained | null {
    const [told, about] = [this.data.tensors[name], this.tensor(name)];
    if (!told || !about) return null;
    const value = this.host.reader(phase, name)?.(flatten(index, about.sizes));
    if (value === undefined) return null;
    if (phase === "backward") return told.backward ? this.gradient(told.backward, about, index, value) : null;
    const found = phase === "forward" ? told.forward && this.made(told.forward, about, index) : told.update && this.updated(told.update, about, index);
    if (!found) return null;
    return { ...written({ ...found, value }), parts: [], tensors: found.tensors ?? [] };
  }

  private text(number: number | undefined): string {
    return number === undefined ? "" : this.data.texts[number]!;
  }

  private made(told: Told, about: TensorAbout, index: Shape): Found | null {
    if (told.unknown !== undefined) return null;
    const found = { value: null, heading: about.origin, formula: about.formula, location: about.location, expression: null, share: TOLERANCE, consulted: [] };
    if (told.given !== undefined) return { ...found, heading: "given", location: about["named at"], formula: `given: ${this.text(told.given)}, nothing in this pass computed it` };
    if (told.whole) return { ...found, formula: `computed by PyTorch's ${this.text(told.formula)}, whose formula is not known here`, tensors: told.whole };
    if (told.moved) found.formula = `the same number, moved here by ${told.moved}`;
    return { ...found, ...this.closed(told, index) };
  }

  private updated(told: Told, about: TensorAbout, index: Shape): Found | null {
    if (told.unknown !== undefined) return null;
    const found = { value: null, heading: about.update?.rule ?? "", formula: this.text(told.formula), location: this.text(told.location), expression: null, share: TOLERANCE, consulted: [] };
    if (told.whole) return { ...found, heading: found.formula, formula: `computed by ${found.formula}, whose formula is not known here` };
    return { ...found, ...this.closed(told, index) };
  }

  private closed(told: Told, index: Shape): { expression: Expression; share: number; consulted: string[] } {
    const views = told.operands!;
    let operands = this.operands.get(views);
    if (!operands) this.operands.set(views, (operands = views.map((view) => new Operand(view, this.host))));
    const closing = new Closing(this.data.trees[told.tree!]!, operands, index);
    const expression = closing.expression();
    return { expression, share: told.share ?? TOLERANCE, consulted: [...new Set([...(told.told ?? []), ...closing.consulted])] };
  }

  private gradient(told: { uses: Use[]; used: boolean }, about: TensorAbout, index: Shape, value: number): Explained | null {
    const parts = this.uses(told.uses, index, about.sizes);
    if (!parts) return null;
    if (!parts.length) return { ...written(start(value, told.used, about)), parts: [], tensors: [] };
    if (parts.length === 1) return { ...written({ ...parts[0]!, value }), parts: [], tensors: [] };
    const formula = parts.map((part) => `∂C/∂(${part.heading})`).join(" + ");
    const known = parts.every((part) => part.expression);
    const whole: Found = {
      value, heading: `sum of ${parts.length} uses`, location: about.location,
      formula: [...formula].length > 200 ? `the sum of what ${parts.length} uses contribute` : formula,
      expression: known ? new Total(parts.map((part) => part.expression!)) : null,
      share: Math.max(...parts.map((part) => part.share)), consulted: [],
    };
    return { ...written(whole, false), parts: parts.map((part) => written(part)), tensors: [] };
  }

  /** What each use of an element adds to its gradient; null where one cannot be told. */
  private uses(uses: Use[], index: Shape, sizes: Shape): Found[] | null {
    const found: Found[] = [];
    for (const use of uses) {
      const parts = use.ways ? this.moved(use, flatten(index, sizes)) : this.used(use, index);
      if (!parts) return null;
      found.push(...parts);
    }
    return found;
  }

  private used(use: Use, index: Shape): Found[] | null {
    if (use.unknown !== undefined) return null;
    const found = { value: null, heading: use.use ?? use.foreign!, formula: this.text(use.formula), location: this.text(use.location) };
    if (use.foreign) return [{ ...found, value: NaN, expression: null, share: TOLERANCE, consulted: [] }];
    return [{ ...found, ...this.closed(use, index) }];
  }

  private moved(use: Use, position: number): Found[] | null {
    const found: Found[] = [];
    for (const way of use.ways!) {
      for (const where of destinations(way, position)) {
        if (way.hidden !== undefined) {
          const behind = this.uses(this.data.hidden[way.hidden]!, where, way.whole!);
          if (!behind) return null;
          found.push(...behind);
          continue;
        }
        const operand = new Operand({ tensor: way.to!, phase: "backward" }, this.host);
        const expression = new Elements(operand, Int32Array.of(operand.inner(where)), []);
        found.push({
          value: null, heading: `moved to ${way.to}`, location: this.text(use.location), expression, share: use.share ?? TOLERANCE,
          formula: `the gradient of the element that ${use.moved} moved to ${way.to}`, consulted: [],
        });
      }
    }
    return found;
  }
}

/** Where an element went by a movement, as indices of its output. */
function destinations(way: Way, position: number): Shape[] {
  if (way.from !== undefined) {
    const [from, to] = [unpacked(way.from), unpacked(way.at!)];
    return [...to].filter((_, at) => from[at] === position).map((flat) => unflatten(flat, way.whole!));
  }
  const axes = way.sizes!.map((_, axis) => axis).sort((a, b) => Math.abs(way.strides![b]!) - Math.abs(way.strides![a]!));
  const found: number[][] = [];
  const index = new Array<number>(axes.length).fill(0);
  const reach = (from: number, sign: number): number =>
    axes.slice(from).reduce((total, axis) => total + Math.max(0, sign * way.strides![axis]! * (way.sizes![axis]! - 1)), 0);
  const search = (depth: number, rest: number): void => {
    if (depth === axes.length) {
      if (rest === 0) found.push(index.map((at, axis) => at + way.start![axis]!));
      return;
    }
    const axis = axes[depth]!;
    for (let at = 0; at < way.sizes![axis]!; at++) {
      const left = rest - at * way.strides![axis]!;
      if (left > reach(depth + 1, 1) || left < -reach(depth + 1, -1)) continue;
      index[axis] = at;
      search(depth + 1, left);
    }
  };
  search(0, position - way.offset!);
  return found.sort((a, b) => a.reduce((order, at, axis) => order || at - b[axis]!, 0));
}

function start(value: number, used: boolean, about: TensorAbout): Found {
  const found = { value, expression: new Constant(value), share: TOLERANCE, consulted: [] };
  if (value === 0 && used) return { ...found, heading: "unused", formula: "no use of this element leads to the loss", location: about["named at"] };
  const formula = value === 1 ? "∂C/∂C = 1: the backward pass starts here" : "the backward pass starts here, with this number";
  return { ...found, heading: "start", formula, location: about.location };
}

/** A piece with its numbers as text, and the check; `shown` is false where its parts show the numbers. */
function written({ value, heading, formula, location, expression, share, consulted }: Found, shown = true): Piece {
  const evaluated = expression ? expression.value() : null;
  const recorded = value ?? Math.fround(evaluated!);
  const scale = expression ? expression.scale()[0]! : 0;
  const rendering = new Rendering();
  const numbers = expression && shown ? rendering.textOf(expression) : "";
  const where = intermediate(rendering);
  const from = [...rendering.sources].map(([cell, found]) => ({ cell, value: found }));
  return { value: recorded, heading, formula, location, numbers, where, from, "chosen by": consulted.slice(0, 12), evaluated, scale, ...check(recorded, evaluated, scale, share) };
}

/** Each intermediate result: its symbol and number, and its arithmetic; of many with one symbol the first alone. */
function intermediate(rendering: Rendering): [string, string][] {
  const found = new Map<string, string>();
  const counts = new Map<string, number>();
  for (const [key, { symbol, value, meaning }] of rendering.named) { // it grows while it is gone through
    counts.set(symbol, (counts.get(symbol) ?? 0) + 1);
    if (found.has(symbol)) continue;
    const digits = rendering.shown.get(key)!;
    found.set(symbol, `${rendering.textOf(meaning, digits)} = ${number(value, digits)}`);
  }
  return [...found].map(([symbol, text]) => {
    const more = counts.get(symbol)! - 1;
    return [symbol, more ? `${text} (and ${more} like it)` : text];
  });
}

/** The arithmetic in double precision beside the recorded number. */
function check(value: number, evaluated: number | null, scale: number, share: number): { check: string; agrees: boolean } {
  if (evaluated === null) return { check: "", agrees: true };
  const difference = evaluated === value ? 0 : Math.abs(evaluated - value);
  const agrees = difference <= share * scale || difference === 0;
  const told = share === TOLERANCE ? "1e−5" : short(share);
  let text = `in float64 ${number(evaluated, 9)} · ${agrees ? "differs by" : "DISAGREES by"} ${short(difference)}, allowed ${told}·Σ|terms| = ${short(share * scale)}`;
  if (CANCELLED * Math.max(Math.abs(value), UNDERFLOW) < scale && scale < Infinity) text += `; beside Σ|terms| = ${short(scale)} it is small, so that few of its digits are certain`;
  return { check: text, agrees };
}

export { cellText };
