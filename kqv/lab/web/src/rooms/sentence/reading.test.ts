import { describe, expect, it } from "vitest";
import { sliceOf } from "./slices";
import { blockOf, lead, plain, stretches, weightCell, Weights, type Attention, type Reading, type Step } from "./reading";

const attention = (module: string, heads: number[], own = true): Attention => ({
  module, heading: module, block: blockOf(module), heads: heads.reduce((a, b) => a * b), lead: heads, own, queries: own ? 1 : 1, keys: own ? 1 : 0,
});
const step = (tensor: string, dimensions = ["batch", "position", "model"], sizes = [1, 3, 8]): Step => ({
  tensor, name: tensor.split(".").at(-1)!, module: tensor.split(".").slice(0, -1).join("."), dimensions, sizes, formula: "", origin: "", location: "", gradient: true, integer: false,
});

describe("cells", () => {
  it("names a head by key head and group where heads share keys", () => {
    expect(lead(attention("blocks.0.attention", [3, 3]), 5)).toEqual([1, 2]);
    expect(weightCell(attention("blocks.0.attention", [4]), 2, 8, 1)).toBe("blocks.0.attention.weights[0,2,8,1]");
  });
  it("reads a token without the sign of its space, unless there is nothing else", () => {
    expect([plain("␣pizza"), plain("␣"), plain("it")]).toEqual(["pizza", "␣", "it"]);
  });
});

describe("weights", () => {
  const text = (words: string[], dimension: string) => ({ name: dimension, dimension, words, ids: [] });
  const reading = {
    texts: [text(["ein", "Haus"], "source"), text(["<s>", "a", "house"], "position")],
    attentions: [{ ...attention("encoder.blocks.0.attention", [2]), queries: 0, keys: 0 }, attention("decoder.blocks.0.attention", [2]), attention("decoder.blocks.0.cross_attention", [2], false)],
  } as unknown as Reading;
  const numbers = Float32Array.of(0.2, 0.3, 0.5, 0.6, 0.4, 0, 0.1, 0.9, 0.7, 0.3);
  const weights = new Weights(reading, 1, 2, numbers);

  it("finds each head's row in what the server sends for one text", () => {
    expect(weights.attentions).toEqual([1, 2]);
    expect(Array.from(weights.row({ attention: 1, head: 1 }))).toEqual(Array.from(numbers.subarray(3, 6)));
    expect(Array.from(weights.row({ attention: 2, head: 1 }))).toEqual(Array.from(numbers.subarray(8)));
  });
  it("passes over where attention rests, but not in another text", () => {
    expect(weights.strongest({ attention: 1, head: 0 }).key).toBe(1);
    expect(weights.strongest({ attention: 2, head: 1 }).key).toBe(0);
    expect(weights.telling()).toMatchObject({ attention: 2, head: 0 });
  });
  it("averages the heads that ask the same text", () => {
    expect(Array.from(weights.mean(0))).toEqual([Math.fround(0.4), Math.fround(0.6)].map((value) => expect.closeTo(value, 6)));
  });
});

describe("path", () => {
  it("puts blocks of a stack together, and queries before keys and values", () => {
    const names = ["ids", "blocks.0.attention.values", "blocks.0.attention.queries", "blocks.0.attention.keys", "blocks.1.output", "logits"];
    const found = stretches(names.map((name) => step(name)));
    expect(found.map(({ stack, blocks }) => [stack, blocks])).toEqual([["", []], ["blocks", ["blocks.0", "blocks.1"]], ["", []]]);
    expect(found[1]!.steps.map(({ name }) => name)).toEqual(["queries", "keys", "values", "output"]);
    expect(blockOf("decoder.blocks.3.cross_attention")).toBe("decoder.blocks.3");
  });
});

describe("slices", () => {
  it("fixes the head, and of shared keys the key head", () => {
    const scores = sliceOf(step("s", ["batch", "key_head", "group", "query", "key"], [1, 3, 3, 5, 5]), [1, 2], 3);
    expect([scores.rows, scores.columns, scores.fixed]).toEqual(["query", "key", { batch: 0, key_head: 1, group: 2 }]);
    expect(scores.index(4, 2)).toEqual([0, 1, 2, 4, 2]);
    expect(sliceOf(step("k", ["batch", "key_head", "key", "channel"], [1, 3, 5, 4]), [1, 2], 3).fixed).toEqual({ batch: 0, key_head: 1 });
    expect(sliceOf(step("q", ["batch", "head", "query", "channel"], [1, 9, 5, 4]), [1, 2], 3).fixed).toEqual({ batch: 0, head: 5 });
  });
  it("draws one dimension as a row", () => {
    const ids = sliceOf(step("ids", ["batch", "position"], [1, 5]), [0], 1);
    expect([ids.rows, ids.columns, ids.index(0, 3)]).toEqual(["", "position", [0, 3]]);
  });
});
