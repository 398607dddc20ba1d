import { expect, test } from "vitest";
import { Rendering } from "./expression";
import { type Host, Missing, Operand } from "./operands";
import { Closing, type Tree } from "./trees";

const NUMBERS: Record<string, number[]> = { x: [1, 2, 3, 4, 5, 6], w: [10, 100, 1000], ids: [2, 0, 2] };
const SIZES: Record<string, number[]> = { x: [2, 3], w: [3], ids: [3] };
const host: Host = {
  about: (name) => ({ sizes: SIZES[name]!, dimensions: [] }),
  isWhole: () => true,
  reader: (_, name) => (position) => NUMBERS[name]![position],
};

function closed(tree: Tree, names: string[], index: number[]): Closing {
  return new Closing(tree, names.map((tensor) => new Operand({ tensor }, host)), index);
}

const PRODUCT: Tree = {
  nodes: [["elements", 0, [["i", 0], ["a", 0]], [3]], ["elements", 1, [["a", 0]], [3]], ["·", 0, 1], ["over", "Σ", 2, 1]],
};

test("one tree gives each element its sum, with the numbers in it", () => {
  const sum = closed(PRODUCT, ["x", "w"], [1]).expression();
  expect(sum.value()).toBe(4 * 10 + 5 * 100 + 6 * 1000);
  expect(sum.text(new Rendering())).toBe("4·10 + 5·100 + 6·1000");
  const rendering = new Rendering(1);
  expect(sum.text(rendering)).toBe("6·1000 + [2 more: 540]");
  expect([...rendering.sources]).toEqual([["x[1, 2]", 6], ["w[2]", 1000]]);
});

test("a recorded number chooses the row, and is told", () => {
  const row: Tree = { nodes: [["elements", 0, [["at", 1, [["i", 0]]]], []]] };
  const closing = closed(row, ["w", "ids"], [0]);
  expect(closing.expression().value()).toBe(1000);
  expect([...closing.consulted]).toEqual(["ids[0]"]);
});

test("positions that a test decides", () => {
  const uses: Tree = {
    nodes: [["elements", 0, [["list", 0, ["a", 0]]], [["count", 0]]], ["over", "Σ", 0, 1]],
    lists: [[3, ["=", ["look", 1, [["r"]]], ["i", 0]], null]],
  };
  expect(closed(uses, ["w", "ids"], [2]).expression().value()).toBe(1010);
  expect(closed(uses, ["w", "ids"], [1]).expression().value()).toBe(0);
});

test("a number that is not there is named", () => {
  const beyond: Tree = { nodes: [["elements", 0, [["i", 0]], []]] };
  expect(() => closed(beyond, ["w"], [3]).expression().value()).toThrow(Missing);
});
