/** Builders of MathML, for formulas that a room writes itself: `math(row(i("a"), o("="), over(n(1), i("b"))))`. */

const BRACKETS = "()[]";

export const i = (name: string): string => `<mi>${name}</mi>`;
export const n = (number: string | number): string => `<mn>${number}</mn>`;
export const o = (sign: string): string => (BRACKETS.includes(sign) ? `<mo stretchy="false">${sign}</mo>` : `<mo>${sign}</mo>`);
export const row = (...parts: string[]): string => `<mrow>${parts.join("")}</mrow>`;
export const up = (base: string, above: string): string => `<msup>${base}${above}</msup>`;
export const low = (base: string, below: string): string => `<msub>${base}${below}</msub>`;
export const both = (base: string, below: string, above: string): string => `<msubsup>${base}${below}${above}</msubsup>`;
export const over = (above: string, below: string): string => `<mfrac>${above}${below}</mfrac>`;
export const root = (inside: string): string => `<msqrt>${inside}</msqrt>`;
export const sum = (below: string): string => `<munder>${o("∑")}${below}</munder>`;
export const call = (name: string, ...inside: string[]): string => row(i(name), o("("), ...inside, o(")"));
export const math = (...parts: string[]): string => `<math display="block">${row(...parts)}</math>`;
