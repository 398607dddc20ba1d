/** The signs of kqv's plain formulas, and a formula cut into them. */

export const LIFTED: Record<string, string> = {
  "⁰": "0", "¹": "1", "²": "2", "³": "3", "⁴": "4", "⁵": "5", "⁶": "6", "⁷": "7", "⁸": "8", "⁹": "9", "⁻": "−", "ᵗ": "t", "ⁿ": "n", "ᵀ": "T", "⁺": "+",
};
export const LOWERED: Record<string, string> = {
  "₀": "0", "₁": "1", "₂": "2", "₃": "3", "₄": "4", "₅": "5", "₆": "6", "₇": "7", "₈": "8", "₉": "9", "ₜ": "t", "ᵢ": "i", "ⱼ": "j", "ₙ": "n",
};
export const ACCENTS: Record<string, string> = { "\u0302": "^", "\u0304": "¯", "\u0303": "~", "\u0307": "˙" };
export const RELATIONS = new Set(["=", "≤", "≥", "<", ">", "≠", "≈", "→", "∈", "∝"]);
export const SUMS = new Set(["+", "−", "-", "±"]);
export const PRODUCTS = new Set(["·", "×", "⊙", "∗"]);
export const BIG = new Set(["Σ", "∏"]);
export const SEPARATORS = new Set([",", ";", ":", "…", "⋯", "."]);
export const CLOSING: Record<string, string> = { "(": ")", "[": "]", "{": "}", "⌊": "⌋", "⌈": "⌉" };

export interface Token {
  kind: "name" | "number" | "sign";
  text: string;
  spaced: boolean;
}

export class FormulaError extends Error {}

export function tokens(text: string): Token[] {
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
export function split(name: string, spaced: boolean): Token[] {
  const letters = name.match(/[∂∇ΣΠ∏]|[ᵗⁿᵀₜᵢⱼₙ]|[^∂∇ΣΠ∏ᵗⁿᵀₜᵢⱼₙ]+/gu) ?? [];
  return letters.map((text, at) => ({
    kind: BIG.has(text) || text in LIFTED || text in LOWERED ? "sign" : "name",
    text,
    spaced: spaced && at === 0,
  }));
}
