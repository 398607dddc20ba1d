/** Python in colours: comments, strings, numbers, keywords and the names that are defined. */

export type Kind = "comment" | "string" | "number" | "keyword" | "name" | "plain";

export interface Piece {
  text: string;
  kind: Kind;
}

const KEYWORDS = new Set(
  ("False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass " +
    "raise return try while with yield").split(" "),
);
const PATTERN = new RegExp(
  [
    String.raw`(?<comment>#[^\n]*)`,
    String.raw`(?<string>[rbfRBF]{0,2}(?:"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))`,
    String.raw`(?<number>(?<![\w.])(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?j?)`,
    String.raw`(?<word>[\p{L}_][\p{L}\p{N}_]*)`,
  ].join("|"),
  "gu",
);

/** The text in pieces, in order; together they are the text. */
export function highlighted(text: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  let before = "";
  const add = (piece: string, kind: Kind) => {
    if (!piece) return;
    const last = found.at(-1);
    if (last?.kind === kind) last.text += piece;
    else found.push({ text: piece, kind });
  };
  for (const match of text.matchAll(PATTERN)) {
    add(text.slice(at, match.index), "plain");
    const { comment, string, number, word } = match.groups ?? {};
    if (comment) add(comment, "comment");
    else if (string) add(string, "string");
    else if (number) add(number, "number");
    else if (word) add(word, KEYWORDS.has(word) ? "keyword" : before === "def" || before === "class" ? "name" : "plain");
    before = word ?? "";
    at = match.index + match[0].length;
  }
  add(text.slice(at), "plain");
  return found;
}
