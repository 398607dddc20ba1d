/** The article's formulas in MathML. */

import { both, i, low, math, n, o, over, row, sum, up } from "../../components/formula/mathml";

const prime = (base: string) => row(base, `<mo lspace="0" rspace="0">′</mo>`);
const log = row("<mi>ln</mi>", `<mspace width="0.18em"></mspace>`);

const [a, z, w, b, y, p, C, x, delta, l, L, j, k] = ["a", "z", "w", "b", "y", "p", "C", "x", "δ", "l", "L", "j", "k"].map(i) as [
  string, string, string, string, string, string, string, string, string, string, string, string, string,
];
const before = row(l, o("−"), n(1));
const after = row(l, o("+"), n(1));
const partial = (below: string) => over(row(o("∂"), C), row(o("∂"), below));
const slope = (layer: string) => row(prime(i("σ")), o("("), up(z, layer), o(")"));

export const input = math(up(a, n(1)), o("="), over(x, n(255)));

export function feedforward(activation: string | null, convolutional: boolean): string[] {
  const product = convolutional ? row(up(w, l), o("∗"), up(a, before)) : row(up(w, l), up(a, before));
  const z_ = math(up(z, l), o("="), product, o("+"), up(b, l));
  const applied =
    activation === "relu" ? row(i("max"), o("("), n(0), o(","), up(z, l), o(")")) : row(i(activation === "sigmoid" || !activation ? "σ" : activation), o("("), up(z, l), o(")"));
  return [z_, math(up(a, l), o("="), applied)];
}

export function activation(name: string | null): string {
  return feedforward(name, false)[1] ?? "";
}

export const softmax = math(low(p, k), o("="), over(up(i("e"), both(z, k, L)), row(sum(j), up(i("e"), both(z, j, L)))));
export const sigmoid = math(i("σ"), o("("), z, o(")"), o("="), over(n(1), row(n(1), o("+"), up(i("e"), row(o("−"), z)))));

export function cost(kind: "quadratic" | "cross-entropy", output: "sigmoid" | "softmax"): string {
  if (kind === "quadratic") return math(C, o("="), over(n(1), n(2)), sum(k), up(row(o("("), low(y, k), o("−"), both(a, k, L), o(")")), n(2)));
  if (output === "softmax") return math(C, o("="), o("−"), log, low(p, y));
  const one = (of: string) => row(o("("), n(1), o("−"), of, o(")"));
  return math(C, o("="), o("−"), sum(k), row(low(y, k), log, low(p, k), o("+"), one(low(y, k)), log, one(low(p, k))));
}

export const outputError = math(up(delta, L), o("="), low(o("∇"), a), C, o("⊙"), slope(L));

export function outputErrorHere(kind: "quadratic" | "cross-entropy"): string {
  if (kind === "quadratic") return math(up(delta, L), o("="), o("("), up(a, L), o("−"), y, o(")"), o("⊙"), slope(L));
  return math(up(delta, L), o("="), p, o("−"), y);
}

export const backpropagation = math(
  up(delta, l), o("="), o("("), up(row(o("("), up(w, after), o(")")), i("T")), up(delta, after), o(")"), o("⊙"), slope(l),
);

export const gradient = [
  math(partial(both(w, row(j, k), l)), o("="), both(a, k, before), both(delta, j, l)),
  math(partial(both(b, j, l)), o("="), both(delta, j, l)),
];

export const update = math(prime(w), o("="), w, o("−"), i("η"), partial(w));
