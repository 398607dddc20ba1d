/** The plain formulas of kqv's operations, such as `y[i] = exp(x[i] − max) / Σ_j exp(x[j] − max)`, as MathML. */

import { GAP, make, operator, row, type Node } from "./nodes";
import { ACCENTS, BIG, CLOSING, FormulaError, LIFTED, LOWERED, PRODUCTS, RELATIONS, SEPARATORS, SUMS, tokens, type Token } from "./signs";

class Reader {
  private at = 0;
  private readonly fences: string[] = [];

  constructor(private readonly given: Token[]) {}

  whole(): Node {
    const found = this.sequence();
    if (this.at < this.given.length) throw new FormulaError(`cannot read ${this.given[this.at]?.text} here`);
    return make("mrow", ...found);
  }

  private get next(): Token | undefined {
    return this.given[this.at];
  }

  private is(text: string): boolean {
    return this.next?.kind === "sign" && this.next.text === text;
  }

  private take(): Token {
    const found = this.given[this.at++];
    if (!found) throw new FormulaError("the formula ends too early");
    return found;
  }

  private expect(text: string): void {
    const found = this.take();
    if (found.text !== text) throw new FormulaError(`expected ${text}, found ${found.text}`);
  }

  private closes(): boolean {
    const token = this.next;
    return !token || (token.kind === "sign" && (token.text === this.fences.at(-1) || ")]}⌋⌉".includes(token.text)));
  }

  /** Terms with signs between them, up to the closing bracket. */
  private sequence(): Node[] {
    const found: Node[] = [];
    while (!this.closes()) {
      const token = this.next as Token;
      const sign = token.kind === "sign" ? token.text : "";
      if (RELATIONS.has(sign) || SUMS.has(sign) || SEPARATORS.has(sign)) {
        this.at++;
        if (token.spaced && sign === "…") found.push(GAP);
        const isClose = token.spaced && !(this.next?.spaced ?? true); // `else −∞`
        const isPrefix = SUMS.has(sign) && (found.length === 0 || found.at(-1)?.tag === "mo" || isClose);
        if (isPrefix && isClose && found.length && found.at(-1)?.tag !== "mo") found.push(GAP);
        found.push(isPrefix ? { ...operator(sign), attributes: { form: "prefix" } } : operator(sign));
        if (sign === "," && (this.next?.spaced ?? false)) found.push(GAP);
      } else {
        if (found.length && token.spaced && found.at(-1)?.tag !== "mo" && found.at(-1) !== GAP) found.push(GAP);
        found.push(...this.product());
      }
    }
    return found;
  }

  /** Factors with · and / between them; what stands before a / becomes a fraction's upper part. */
  private product(): Node[] {
    const found: Node[] = [];
    let start = 0; // of the factors that a fraction takes
    for (;;) {
      const factor = this.factor();
      found.push(...factor.nodes);
      if (factor.isSum) {
        start = found.length;
        if (this.closes() || this.endsTerm()) return found;
        continue;
      }
      while (this.is("/")) {
        this.at++;
        const below = this.operand();
        const above = found.splice(start);
        found.push(make("mfrac", above.length === 1 ? plain(row(above)) : row(above), plain(row(below))));
      }
      const sign = this.next?.kind === "sign" ? this.next.text : "";
      if (PRODUCTS.has(sign)) {
        this.at++;
        found.push(operator(sign));
        if (found.at(-2)?.tag === "mfrac") start = found.length;
      } else if (this.next && !this.next.spaced && !this.closes() && !this.endsTerm()) {
        continue; // 2i, σ(z)(1 − σ(z))
      } else return found;
    }
  }

  /** One factor, or a sum with all that it runs over. */
  private operand(): Node[] {
    const { nodes, isSum } = this.factor();
    return isSum ? [...nodes, ...this.product()] : nodes;
  }

  private endsTerm(): boolean {
    const token = this.next;
    return token?.kind === "sign" && (RELATIONS.has(token.text) || SUMS.has(token.text) || SEPARATORS.has(token.text) || token.text === "/");
  }

  /** One factor: a name with its index, a number, brackets, a root; a sum sign with what it runs over. */
  private factor(): { nodes: Node[]; isSum: boolean } {
    const token = this.take();
    if (token.kind === "sign" && BIG.has(token.text)) return { nodes: [this.sum(token.text)], isSum: true };
    if (token.kind === "sign" && SUMS.has(token.text)) {
      const { nodes, isSum } = this.factor();
      return { nodes: [{ ...operator(token.text), attributes: { form: "prefix" } }, ...nodes], isSum };
    }
    if (token.text === "∂" || token.text === "∇") return { nodes: [this.lifted(this.partial(token.text))], isSum: false };
    const atom = this.atom(token);
    return { nodes: this.applied(this.lifted(atom)), isSum: false };
  }

  private sum(sign: string): Node {
    if (!this.is("_")) return operator(sign);
    this.at++;
    return make("munder", operator(sign), this.low());
  }

  /** What stands under a sign after `_`: a name of several words is joined with `_` as well. */
  private low(): Node {
    let text = this.take().text;
    while (this.is("_")) {
      this.at++;
      text += `_${this.take().text}`;
    }
    return make("mi", text);
  }

  /** `∂C/∂x[i]` as a fraction; `∂C` alone as it is. */
  private partial(sign: string): Node {
    const above = make("mrow", operator(sign), this.named());
    const after = this.given[this.at + 1];
    if (!this.is("/") || after?.text !== sign) return above;
    this.at += 2;
    return make("mfrac", above, make("mrow", operator(sign), this.named()));
  }

  private named(): Node {
    const token = this.take();
    const atom = this.atom(token);
    return row(this.indexed(this.primed(atom)));
  }

  private atom(token: Token): Node {
    if (token.kind === "number") return make("mn", token.text);
    if (token.kind === "name") return this.name(token.text);
    if (token.text === "√") return make("msqrt", plain(row(this.operand())));
    if (token.text === "½") return make("mfrac", make("mn", "1"), make("mn", "2"));
    if (token.text in CLOSING) return this.fenced(token.text, CLOSING[token.text] as string);
    if (token.text === "‖" || token.text === "|") {
      return this.fences.includes(token.text) ? operator(token.text) : this.fenced(token.text, token.text);
    }
    if (token.text === "“") return this.quoted();
    if ("∞′'".includes(token.text)) return make("mi", token.text);
    throw new FormulaError(`cannot read ${token.text}`);
  }

  private quoted(): Node {
    let text = "";
    while (!this.is("”")) {
      const { text: part, spaced } = this.take();
      text += (spaced && text ? " " : "") + part;
    }
    this.at++;
    return make("mtext", `“${text}”`);
  }

  private name(text: string): Node {
    const accent = ACCENTS[text.at(-1) ?? ""];
    if (accent && text.length > 1) return { tag: "mover", children: [make("mi", text.slice(0, -1)), operator(accent)], attributes: { accent: "true" } };
    let whole = text;
    while (this.is("_") && this.given[this.at + 1]?.kind === "name" && text !== "Σ" && !isFunction(text)) {
      this.at++;
      whole += `_${this.take().text}`;
    }
    if (this.is("_") && isFunction(text)) {
      this.at++;
      return make("msub", make("mi", text), this.low());
    }
    return make("mi", whole);
  }

  private fenced(open: string, close: string): Node {
    this.fences.push(close);
    const content = this.sequence();
    this.fences.pop();
    this.expect(close);
    const stretchy = String(content.some(isTall));
    const fence = (sign: string): Node => ({ ...operator(sign), attributes: { fence: "true", stretchy } });
    return make("mrow", fence(open), ...content, fence(close));
  }

  private primed(atom: Node): Node {
    let primes = "";
    while (this.is("'") || this.is("′")) {
      this.at++;
      primes += "′";
    }
    if (!primes) return atom; // the sign stands high by itself
    return make("mrow", atom, { ...operator(primes), attributes: { form: "postfix", lspace: "0", rspace: "0" } });
  }

  /** `x[i]` as an index; only where the bracket stands close to what it belongs to. */
  private indexed(atom: Node): Node[] {
    if (!this.is("[") || this.next?.spaced) return [atom];
    this.at++;
    this.fences.push("]");
    const index = this.sequence();
    this.fences.pop();
    this.expect("]");
    return [make("msub", atom, row(index))];
  }

  /** Superscripts: ², ᵗ, ^(−i/h); subscripts: ₁. */
  private lifted(atom: Node): Node {
    let found = row(this.indexed(this.primed(atom)));
    for (;;) {
      const up = this.run(LIFTED);
      const down = up ? "" : this.run(LOWERED);
      if (up) found = make("msup", found, numberOrName(up));
      else if (down) found = make("msub", found, numberOrName(down));
      else if (this.is("^")) {
        this.at++;
        found = make("msup", found, plain(row(this.factor().nodes)));
      } else return row(this.indexed(found));
    }
  }

  private run(table: Record<string, string>): string {
    let text = "";
    while (this.next?.kind === "sign" && this.next.text in table && !this.next.spaced) text += table[this.take().text];
    return text;
  }

  /** A function's argument stands close behind its name. */
  private applied(atom: Node): Node[] {
    if (!this.is("(") || this.next?.spaced) return [atom];
    this.at++;
    return [atom, operator("\u2061"), this.lifted(this.fenced("(", ")"))];
  }
}

const FUNCTIONS = new Set(["exp", "log", "ln", "tanh", "softmax", "max", "mean", "sin", "cos", "erf", "sgn", "argmax"]);
const isFunction = (name: string) => FUNCTIONS.has(name);
const numberOrName = (text: string): Node => (/^[−\d]+$/u.test(text) ? make("mn", text) : make("mi", text));

const isTall = (node: Node | string): boolean =>
  typeof node !== "string" && (["mfrac", "msqrt", "munder"].includes(node.tag) || node.children.some(isTall));

/** Brackets that a fraction or a root makes needless. */
function plain(node: Node): Node {
  const [first, last] = [node.children[0], node.children.at(-1)];
  if (node.tag !== "mrow" || typeof first === "string" || typeof last === "string" || !first || !last) return node;
  const isFenced = first.attributes?.["fence"] && last.attributes?.["fence"] && first.children[0] === "(" && last.children[0] === ")";
  return isFenced ? make("mrow", ...node.children.slice(1, -1)) : node;
}

/** A formula's tree; undefined where it is written in a way that this cannot read: show the text then. */
export function readFormula(text: string): Node | undefined {
  try {
    return new Reader(tokens(text)).whole();
  } catch (failure) {
    if (failure instanceof FormulaError) return undefined;
    throw failure;
  }
}
