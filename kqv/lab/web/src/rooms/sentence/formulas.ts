/** The formula of each step in MathML; the names are those of the step's inputs and dimensions. */

import { call, i, low, math, n, o, over, root, row, sum, up } from "../../components/formula/mathml";

const eq = (left: string, ...right: string[]) => math(left, o("="), ...right);
const t = i("t"), j = i("j"), x = i("x"), h = i("h");
const at = (name: string, ...below: string[]) => low(i(name), row(...below));

const linear = (of: string, weights: string) => eq(at(of, t), low(i("W"), i(weights)), o("·"), at("x", t), o("+"), low(i("b"), i(weights)));
const joined = (left: string, a: string, b: string) => eq(at(left, t), at(a, t), o("+"), at(b, t));
const layerNorm = eq(at("y", t), i("γ"), o("·"), over(row(at("x", t), o("−"), i("μ")), root(row(up(i("σ"), n("2")), o("+"), i("ε")))), o("+"), i("β"));
const rmsNorm = eq(at("y", t), i("γ"), o("·"), over(at("x", t), root(row(call("mean", up(at("x", t), n("2"))), o("+"), i("ε")))));
const softmax = eq(at("a", t, j), over(up(i("e"), at("s", t, j)), row(sum(i("k")), up(i("e"), at("s", t, i("k"))))));

/** By operation, where a step's own formula follows from what made it. */
const BY_ORIGIN: Record<string, string> = {
  layer_norm: layerNorm, rms_norm: rmsNorm, softmax,
  gelu: eq(call("GELU", x), x, o("·"), call("Φ", x)),
  relu: eq(call("ReLU", x), call("max", n("0"), o(","), x)),
  silu: eq(call("SiLU", x), x, o("·"), call("σ", x)),
};

const BY_NAME: Record<string, string> = {
  token_vectors: eq(at("x", t), low(i("E"), row(o("["), low(i("id"), t), o("]")))),
  source_vectors: eq(at("x", t), low(i("E"), row(o("["), low(i("id"), t), o("]")))),
  scaled: eq(at("y", t), root(i("width")), o("·"), at("x", t)),
  embedded: joined("h", "x", "p"),
  "attention.query_key_value": eq(row(o("("), at("q", t), o(","), at("k", t), o(","), at("v", t), o(")")), i("W"), o("·"), at("x", t), o("+"), i("b")),
  "attention.queries": linear("q", "Q"),
  "attention.keys": linear("k", "K"),
  "attention.values": linear("v", "V"),
  "attention.products": eq(at("p", t, j), at("q", t), o("·"), at("k", j)),
  "attention.scores": eq(at("s", t, j), over(row(at("q", t), o("·"), at("k", j)), root(i("channels")))),
  "attention.masked_scores": eq(at("s", t, j), row(o("{"), `<mtable columnalign="left"><mtr><mtd>${at("s", t, j)}</mtd><mtd>${row(at("allowed", t, j), o("="), n("1"))}</mtd></mtr><mtr><mtd>${row(o("−"), n("∞"))}</mtd><mtd>${row(at("allowed", t, j), o("="), n("0"))}</mtd></mtr></mtable>`)),
  "attention.weights": softmax,
  "attention.mixed": eq(at("m", t), sum(j), at("a", t, j), o("·"), at("v", j)),
  "attention.output": eq(at("o", t), low(i("W"), i("O")), o("·"), row(o("["), up(i("m"), n("1")), o(";"), o("…"), o(";"), up(i("m"), i("heads")), o("]")), o("+"), low(i("b"), i("O"))),
  after_attention: joined("h", "h", "o"),
  attention_sum: joined("h", "h", "o"),
  after_cross_attention: joined("h", "h", "o"),
  cross_attention_sum: joined("h", "h", "o"),
  "feed_forward.hidden": eq(at("u", t), low(i("W"), n("1")), o("·"), at("x", t), o("+"), low(i("b"), n("1"))),
  "feed_forward.output": eq(at("y", t), low(i("W"), n("2")), o("·"), at("u", t), o("+"), low(i("b"), n("2"))),
  "feed_forward.active": eq(at("u", t), call("f", at("u", t))),
  "block.output": joined("h", "h", "y"),
  feed_forward_sum: joined("h", "h", "y"),
  logits: eq(at("z", t), low(i("W"), i("vocab")), o("·"), h),
  cost: eq(i("C"), over(n("1"), i("n")), sum(t), row(o("−"), i("log")), at("p", t), row(o("["), low(i("id"), row(t, o("+"), n("1"))), o("]"))),
};

/** The last part of a module's path, by which steps of one name differ: `attention`, `feed_forward`, `block`. */
export function sort(module: string): string {
  const last = module.split(".").at(-1) ?? "";
  return /^\d+$/.test(last) ? "block" : last;
}

/** By which name a step is known here: `attention.scores`, `embedded`. Cross-attention computes as attention does. */
export function known(name: string, module: string): string {
  const kind = sort(module).replace("cross_", "");
  const within = `${kind}.${name}`;
  return ["attention", "feed_forward"].includes(kind) || within === "block.output" ? within : name;
}

export function formulaOf(name: string, module: string, origin: string): string | undefined {
  const key = known(name, module);
  if (key === "attention.weights" && origin !== "softmax") return undefined;
  if (key === "attention.scores" && origin !== "scale") return undefined; // a score of another kind: its own formula
  if (origin === "rotary") return eq(at(name[0] ?? "q", t), low(i("R"), t), o("·"), low(i("W"), i((name[0] ?? "q").toUpperCase())), o("·"), at("x", t));
  if (key === "feed_forward.active" && origin === "multiply") return eq(at("u", t), call("SiLU", at("g", t)), o("·"), at("w", t));
  return BY_ORIGIN[origin] ?? BY_NAME[key];
}
