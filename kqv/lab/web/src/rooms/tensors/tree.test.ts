import { describe, expect, it } from "vitest";
import type { Tensor } from "../../components/trace.svelte";
import { fromAddress, grouped, inAddress, indexAt, ownName, placed, readCell, viewOf } from "./tree";

function tensor(name: string, module: string, dimensions: string[], sizes: number[], kind: Tensor["kind"] = "activation"): Tensor {
  return {
    name, module, dimensions, sizes, kind, aliases: [], symbol: "", integer: false, origin: "linear", formula: "", "gradient formulas": [], location: "",
    phases: ["forward"], meaning: "", words: {}, elements: [], "update tensors": [],
  };
}

const SCORES = tensor("blocks.0.attention.scores", "blocks.0.attention", ["batch", "head", "query", "key"], [1, 6, 12, 12]);

describe("the tree", () => {
  const tensors = [
    tensor("blocks.0.attention.qkv.weight", "blocks.0.attention.qkv", ["joined", "model"], [24, 8], "parameter"),
    tensor("ids", "", ["batch", "position"], [1, 12]),
    SCORES,
    tensor("blocks.1.attention.scores", "blocks.1.attention", ["batch", "head", "query", "key"], [1, 6, 12, 12]),
  ];
  it("puts a block's modules together, in the order of the pass, weights last", () => {
    const found = grouped(tensors, { "blocks.1": "blocks.0" });
    expect(found.map(({ name, like }) => [name, like])).toEqual([["", ""], ["blocks.0", ""], ["blocks.1", "blocks.0"]]);
    expect(found[1]?.modules.map(({ path }) => path)).toEqual(["blocks.0.attention", "blocks.0.attention.qkv"]);
  });
  it("finds by name", () => {
    expect(grouped(tensors, {}, "SCORES").flatMap(({ modules }) => modules).flatMap((module) => module.tensors)).toHaveLength(2);
    expect(grouped(tensors, {}, "nothing")).toEqual([]);
  });
  it("shows a name within its module", () => {
    expect(ownName(SCORES)).toBe("scores");
    expect(ownName(tensor("ids", "", [], [3]))).toBe("ids");
  });
});

describe("what is shown of a tensor", () => {
  it("is its last two dimensions, the others where the cell is", () => {
    expect(viewOf(SCORES)).toEqual({ rows: "query", columns: "key", fixed: { batch: 0, head: 0 } });
    expect(viewOf(SCORES, [0, 4, 3, 2])).toEqual({ rows: "query", columns: "key", fixed: { batch: 0, head: 4 } });
    expect(viewOf(tensor("bias", "", ["out"], [7]))).toEqual({ rows: "", columns: "out", fixed: {} });
    expect(viewOf(tensor("cost", "", [], []))).toEqual({ rows: "", columns: "", fixed: {} });
    expect(viewOf(tensor("x", "", ["batch", "position", "model"], [1, 12, 8]))).toMatchObject({ rows: "position", columns: "model" });
  });
  it("keeps an old choice where it fits", () => {
    expect(viewOf(SCORES, undefined, { rows: "head", columns: "key", fixed: { batch: 0, query: 5 } })).toEqual({
      rows: "head", columns: "key", fixed: { batch: 0, query: 5 },
    });
  });
  it("is where a cell is, and back", () => {
    const view = viewOf(SCORES, [0, 4, 3, 2]);
    expect(placed(SCORES, view, [0, 4, 3, 2])).toEqual([3, 2]);
    expect(placed(SCORES, view, [0, 5, 3, 2])).toBeUndefined();
    expect(indexAt(SCORES, view, 3, 2)).toEqual([0, 4, 3, 2]);
  });
  it("names axes that have none by their number", () => {
    expect(viewOf(tensor("x", "", [], [3, 4]))).toEqual({ rows: "#0", columns: "#1", fixed: {} });
  });
});

it("reads a cell in each way of writing it", () => {
  expect(readCell("grad:a.weight[7, 300]")).toEqual({ tensor: "a.weight", phase: "backward", index: [7, 300] });
  expect(readCell("scores[batch=0, head=2]")).toEqual({ tensor: "scores", phase: "forward", index: [0, 2] });
  expect(readCell("cost")).toEqual({ tensor: "cost", phase: "forward", index: [] });
  expect(readCell("scores[it, pizza]")).toBeUndefined();
  expect(readCell("a[b")).toBeUndefined();
});

it("has an address for what is shown", () => {
  const view = { rows: "head", columns: "key", fixed: { batch: 0, query: 5 } };
  const written = inAddress(view, [0, 30]);
  expect(written).toEqual({ rows: "head", columns: "key", at: "query=5", from: "0,30" });
  expect(fromAddress(written)).toEqual({ view: { ...view, fixed: { query: 5 } }, start: [0, 30] });
  expect(viewOf(SCORES, undefined, fromAddress(written).view)).toEqual(view);
  expect(inAddress(undefined, [0, 0])).toEqual({});
  expect(fromAddress({ at: "head=x,=", from: "-1,2e3" })).toEqual({ view: undefined, start: [0, 0] });
  expect(viewOf(SCORES, undefined, fromAddress({ rows: "no", columns: "such", at: "head=99" }).view)).toEqual({ rows: "query", columns: "key", fixed: { batch: 0, head: 5 } });
});
