import { describe, expect, it } from "vitest";
import { textOf, type Node } from "./nodes";
import { clauses, pieces } from "./pieces";
import { readFormula } from "./read";

function shape(node: Node | string): string {
  if (typeof node === "string") return node;
  const inner = node.children.map(shape).join(node.tag === "mrow" ? " " : ",");
  if (node.tag === "mspace") return "_";
  if (["mi", "mn", "mo"].includes(node.tag)) return inner;
  return node.tag === "mrow" ? inner : `${node.tag}(${inner})`;
}

const read = (text: string) => shape(readFormula(text) as Node);

describe("a formula as MathML", () => {
  it.each([
    ["y = a + b", "y = a + b"],
    ["y = x²", "y = msup(x,2)"],
    ["y[query,key]", "msub(y,query , key)"],
    ["∂C/∂x[i]", "mfrac(∂ C,∂ msub(x,i))"],
    ["∂C/∂y·y·(1 − y)", "mfrac(∂ C,∂ y) · y · ( 1 − y )"],
    ["x·mask/(1 − p)", "mfrac(x · mask,1 − p)"],
    ["∂C/∂y/n", "mfrac(mfrac(∂ C,∂ y),n)"],
    ["x/√(x² + ε)", "mfrac(x,msqrt(msup(x,2) + ε))"],
    ["−1/n·Σ_x x", "− mfrac(1,n) · munder(Σ,x) x"],
    ["Σ_in x[in]·W[out,in] + b[out]", "munder(Σ,in) msub(x,in) · msub(W,out , in) + msub(b,out)"],
    ["Σ_kernel_row x", "munder(Σ,kernel_row) x"],
    ["exp(x[j] − max)", "exp \u2061 ( msub(x,j) − max )"],
    ["σ(z)²", "σ \u2061 msup(( z ),2)"],
    ["β₁ᵗ", "msup(msub(β,1),t)"],
    ["m̂ = m'/(1 − β₁ᵗ)", "mover(m,^) = mfrac(m ′,1 − msup(msub(β,1),t))"],
    ["‖y(x) − a‖²", "msup(‖ y \u2061 ( x ) − a ‖,2)"],
    ["θ = p·base^(−i/h)", "θ = p · msup(base,− mfrac(i,h))"],
    ["y = x where allowed, else −∞", "y = x _ where _ allowed , _ else _ − ∞"],
    ["½·x", "mfrac(1,2) · x"],
    ["‖g‖ = √Σ‖g‖²", "‖ g ‖ = msqrt(Σ msup(‖ g ‖,2))"],
    ["exp(x) / Σ_j exp(x[j])", "mfrac(exp \u2061 ( x ),munder(Σ,j) exp \u2061 ( msub(x,j) ))"],
    ["⌊row/size⌋", "⌊ mfrac(row,size) ⌋"],
    ["sin(2i/model)", "sin \u2061 ( mfrac(2 i,model) )"],
  ])("%s", (text, wanted) => expect(read(text)).toBe(wanted));

  it("has parts that may stand on lines of their own", () => {
    expect(clauses("y = f(a, b), x[i, j] = 2, where i > 0")).toEqual(["y = f(a, b)", "x[i, j] = 2", "where i > 0"]);
    expect(clauses("y = x")).toEqual(["y = x"]);
  });

  it("may end a line at words, before = and +, and within a long product, and loses nothing by it", () => {
    const split = (text: string) => pieces(readFormula(text) as Node).map(textOf);
    expect(split("y = Σ over all ids + b")).toEqual(["y", "=Σover", "all", "ids", "+b"]);
    expect(split("z = Σ_in x[in,row,column]·W[out,in,row]")).toEqual(["z", "=Σinxin,row,column", "·Wout,in,row"]);
    expect(split("y = −x")).toEqual(["y", "=−x"]);
  });

  it("loses no sign but brackets and strokes of fractions", () => {
    const text = "y[i] = exp(x[i] − max) / Σ_j exp(x[j] − max)";
    const signs = textOf(readFormula(text) as Node).replace(/\u2061/g, "");
    expect(signs).toBe("yi=exp(xi−max)Σjexp(xj−max)");
  });

  it.each(["(a + b", "a)", "y = x /", "y = § 3", "√"])("gives up on %s, so that its text is shown", (text) => {
    expect(readFormula(text)).toBeUndefined();
  });
});
