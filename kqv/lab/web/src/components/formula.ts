/** The plain formulas of kqv's operations, such as `y[i] = exp(x[i] − max) / Σ_j exp(x[j] − max)`, as MathML. */

export interface Node {
  tag: string;
  children: (Node | string)[];
  attributes?: Record<string, string>;
}

const make = (tag: string, ...children: (Node | string)[]): Node => ({ tag, children });
const row = (children: Node[]): Node => (children.length === 1 ? (children[0] as Node) : make("mrow", ...children));
const operator = (sign: string): Node => make("mo", sign);
const GAP: Node = { tag: "mspace", children: [], attributes: { width: "0.3em" } };

const LIFTED: Record<string, string> = {
  "⁰": "0", "¹": "1", "²": "2", "³": "3", "⁴": "4", "⁵": "5", "⁶": "6", "⁷": "7", "⁸": "8", "⁹": "9", "⁻": "−", "ᵗ": "t", "ⁿ": "n", "ᵀ": "T", "⁺": "+",
};
const LOWERED: Record<string, string> = {
  "₀": "0", "₁": "1", "₂": "2", "₃": "3", "₄": "4", "₅": "5", "₆": "6", "₇": "7", "₈": "8", "₉": "9", "ₜ": "t", "ᵢ": "i", "ⱼ": "j", "ₙ": "n",
};
const ACCENTS: Record<string, string> = { "\u0302": "^", "\u0304": "¯", "\u0303": "~", "\u0307": "˙" };
const RELATIONS = new Set(["=", "≤", "≥", "<", ">", "≠", "≈", "→", "∈", "∝"]);
const SUMS = new Set(["+", "−", "-", "±"]);
const PRODUCTS = new Set(["·", "×", "⊙", "∗"]);
const BIG = new Set(["Σ", "∏"]);
const SEPARATORS = new Set([",", ";", ":", "…", "⋯", "."]);
const CLOSING: Record<string, string> = { "(": ")", "[": "]", "{": "}", "⌊": "⌋", "⌈": "⌉" };

interface Token {
  kind: "name" | "number" | "sign";
  text: string;
  spaced: boolean;
}

export class FormulaError extends Error {}

function tokens(text: string): Token[] {
  const pattern = /(\s*)(?:(\d+(?:[.,]\d+)*)|([\p{L}∂∇][\p{L}\p{M}]*)|(.))/gsu;
  const found: Token[] = [];
  for (const [, space = "", number, name, sign] of text.trim().matchAll(pattern)) {
    const spaced = space !== "";
    if (number !== undefined) found.push({ kind: "number", text: number, spaced });
    else if (name !== undefined) found.push(...split(name, spaced));
    else if (sign !== undefined) found.push({ kind: "sign", text: sign, spaced });
  }
  return found;
}

/** `ΣX` is a sum sign and a name, `βᵗ` a name and a superscript. */
function split(name: string, spaced: boolean): Token[] {
  const letters = name.match(/[∂∇ΣΠ∏]|[ᵗⁿᵀₜᵢⱼₙ]|[^∂∇ΣΠ∏ᵗⁿᵀₜᵢⱼₙ]+/gu) ?? [];
  return letters.map((text, at) => ({
    kind: BIG.has(text) || text in LIFTED || text in LOWERED ? "sign" : "name",
    text,
    spaced: spaced && at === 0,
  }));
}

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

/** A formula's parts between commas outside of all brackets: what may stand on lines of their own. */
export function clauses(text: string): string[] {
  const found: string[] = [""];
  let depth = 0;
  for (const part of text.split(/(, |[()[\]])/)) {
    if ("([".includes(part) && part) depth++;
    if (")]".includes(part) && part) depth--;
    if (part === ", " && depth === 0) found.push("");
    else found[found.length - 1] += part;
  }
  return found;
}

const LONG = 16; // signs

/** A clause in pieces between which a line may end: at words, before = and +, and in a long product before ·. */
export function pieces(tree: Node): Node[] {
  const found: Node[][] = [[]];
  for (const child of tree.children as Node[]) {
    const piece = found.at(-1) as Node[];
    const sign = child.tag === "mo" && typeof child.children[0] === "string" ? child.children[0] : "";
    const isLong = textOf(make("mrow", ...piece)).length > LONG;
    if (child === GAP) found.push([GAP]);
    else if (piece.some((one) => one !== GAP) && child.attributes?.["form"] !== "prefix" && (RELATIONS.has(sign) || SUMS.has(sign) || (isLong && PRODUCTS.has(sign))))
      found.push([{ ...child, attributes: { ...child.attributes, form: "infix" } }]);
    else piece.push(child);
  }
  return found.filter((piece) => piece.some((child) => child !== GAP)).map((piece) => make("mrow", ...piece));
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

/** All signs of a tree, in order: what is read out, and what a test compares. */
export function textOf(node: Node | string): string {
  return typeof node === "string" ? node : node.children.map(textOf).join("");
}
