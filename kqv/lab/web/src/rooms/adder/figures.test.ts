import { describe, expect, it } from "vitest";
import type { Tensor } from "../../components/trace.svelte";
import { cut, figuresOf, flat, short, shownPositions, type Sum } from "./figures";

const tensor = (name: string, dimensions: string, sizes: number[], phases: Tensor["phases"] = ["forward"]) => ({ name, dimensions: dimensions ? dimensions.split(" ") : [], sizes, phases }) as unknown as Tensor;
const sum = (digits: number): Sum => ({
  digits, first: 0, second: 0, sum: 0, parameters: 0, activations: 0, read: Array.from({ length: 3 * digits + 2 }, () => "0"),
  columns: Array.from({ length: digits + 1 }, (_, at) => ({ first: 0, second: 0, carry: 0, right: 0, said: "0", probabilities: [], position: 2 * digits + 1 + at })),
});

describe("pictures of tensors", () => {
  const cases = [
    tensor("tokens.weight", "vocab model", [12, 8]), tensor("embedded", "batch position model", [1, 5, 8]), tensor("norm.weight", "model", [8]),
    tensor("weights", "batch head query key", [1, 2, 5, 5]), tensor("mixed", "batch head query channel", [1, 2, 5, 4]),
    tensor("normed", "batch position head channel", [1, 5, 2, 4]), tensor("grouped", "batch key_head group query key", [1, 2, 2, 3, 3]), tensor("cost", "", []),
  ];
  it("show each element once", () => {
    for (const one of cases) {
      const met = figuresOf(one).flatMap((figure) =>
        Array.from({ length: figure.rows * figure.columns }, (_, at) => flat(figure.index(Math.floor(at / figure.columns), at % figure.columns), one.sizes)),
      );
      const count = one.sizes.reduce((product, size) => product * size, 1);
      expect([...met].sort((a, b) => a - b), one.name).toEqual(Array.from({ length: count }, (_, at) => at));
    }
  });
  it("are one for each head where queries meet keys, and else have heads side by side", () => {
    expect(figuresOf(cases[3] as Tensor).map((figure) => [figure.part, figure.rowName, figure.columnName])).toEqual([["head 0", "query", "key"], ["head 1", "query", "key"]]);
    expect(figuresOf(cases[4] as Tensor).map((figure) => [figure.rows, figure.columns, figure.columnName])).toEqual([[5, 8, "head · channel"]]);
    expect(figuresOf(cases[4] as Tensor)[0]?.index(3, 6)).toEqual([0, 1, 3, 2]);
  });
  it("cut up what comes in one piece, of a phase that some tensors lack", () => {
    const found = cut(new Float32Array([1, 2, 3, 4, 5]), [tensor("a", "in", [2]), tensor("b", "in", [7], ["backward"]), tensor("c", "", []), tensor("d", "in", [2])], "forward");
    expect([...found].map(([name, numbers]) => [name, [...numbers]])).toEqual([["a", [1, 2]], ["c", [3]], ["d", [4, 5]]]);
  });
});

describe("what is shown", () => {
  it("is all of a short sum, and of a long one a column with the one before", () => {
    expect(shownPositions(sum(2), 1)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(shownPositions(sum(10), 0)).toEqual([0, 10, 11, 21]);
    expect(shownPositions(sum(10), 4)).toEqual([3, 4, 10, 14, 15, 21, 24, 25]);
    expect(shownPositions(sum(10), 10)).toEqual([9, 10, 20, 21, 30, 31]);
  });
  it("is short", () => {
    expect(["en", "de"].map((language) => short(-1.234, language))).toEqual(["−1.23", "−1,23"]);
    expect([short(-Infinity, "en"), short(0.00012, "en"), short(0, "en"), short(12.34, "en"), short(-2500, "en")]).toEqual(["−∞", "1e−4", "0.00", "12.3", "−3e3"]);
  });
});
