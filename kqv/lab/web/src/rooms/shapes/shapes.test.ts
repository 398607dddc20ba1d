import { describe, expect, it } from "vitest";
import { bytes, counted, drawn, inOrder, rangeOf, readSizes, sections, shortName, side, sizesText, stations, steps, type Shape, type Shapes } from "./shapes";

const shape = (name: string, dimensions: string, sizes: number[], more: Partial<Shape> = {}): Shape => ({
  name, module: "", dimensions: dimensions.split(" "), sizes, kind: "activation", origin: "", formula: "", line: "", symbol: "", moved: false,
  numbers: sizes.reduce((product, size) => product * size, 1), block: /^blocks\.\d+/.exec(name)?.[0] ?? "", ...more,
});

const tensors = [
  shape("tokens.weight", "vocab model", [50, 8], { kind: "parameter" }),
  shape("blocks.0.norm.weight", "model", [8], { kind: "parameter" }),
  shape("ids", "batch position", [1, 5]),
  shape("positions", "position", [5]),
  shape("embedded", "batch position model", [1, 5, 8]),
  shape("blocks.0.attention.keys", "batch head key channel", [1, 2, 5, 4], { moved: true }),
  shape("blocks.0.output", "batch position model", [1, 5, 8]),
  shape("logits", "batch position vocab", [1, 5, 50]),
  shape("targets", "batch position", [1, 5]),
];
const shapes = { tensors, blocks: { "blocks.0": 12 } } as unknown as Shapes;

describe("the order of the pass", () => {
  it("has blocks with their weights and how many they stand for", () => {
    expect(sections(shapes).map(({ block, count, weights, activations }) => [block, count, weights.length, activations.length])).toEqual([
      ["", 1, 0, 3], ["blocks.0", 12, 1, 2], ["", 1, 0, 2],
    ]);
  });
  it("is told at a glance from [batch, position] to [batch, position, vocab]", () => {
    expect(stations(shapes).map(({ shape: one, count }) => [one.name, count])).toEqual([["ids", 1], ["embedded", 1], ["blocks.0.output", 12], ["logits", 1]]);
  });
  it("meets its dimensions one by one, those of weights last", () => {
    const dimensions = Object.fromEntries(["out", "batch", "position", "model", "head", "key", "channel", "vocab"].map((name) => [name, ""]));
    expect(inOrder({ ...shapes, dimensions })).toEqual(["batch", "position", "model", "head", "key", "channel", "vocab", "out"]);
  });
  it("names a tensor inside its block", () => {
    expect(shortName(tensors[5] as Shape)).toEqual({ before: "attention.", last: "keys" });
    expect(shortName(tensors[2] as Shape)).toEqual({ before: "", last: "ids" });
  });
});

describe("a box", () => {
  it("has one side for each dimension, longer for a larger one", () => {
    for (const [dimensions, sizes] of [["", []], ["model", [8]], ["position model", [5, 8]], ["batch head query key", [2, 3, 5, 7]]] as const) {
      const names = dimensions ? dimensions.split(" ") : [];
      const box = drawn(names, [...sizes]);
      expect(new Set(box.edges.map((edge) => edge.dimension))).toEqual(new Set(names));
      for (const edge of box.edges) for (const [x, y] of [edge.from, edge.to]) expect(x <= box.width + 1e-9 && y <= box.height + 1e-9 && x >= 0 && y >= 0).toBe(true);
    }
    expect(side(1)).toBeLessThan(side(2));
    expect(side(12_288)).toBeLessThan(130);
  });
  it("is as many sheets deep as there are, but not more than four", () => {
    expect(drawn(["head", "query", "key"], [2, 5, 5]).sheets).toHaveLength(2);
    expect(drawn(["head", "query", "key"], [96, 5, 5]).sheets).toHaveLength(4);
    expect(drawn(["batch", "query", "key"], [1, 5, 5]).sheets).toHaveLength(0);
  });
});

describe("sizes", () => {
  it("are stepped through with the model's own among them", () => {
    expect(steps(1, 16, 12)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    expect(steps(1, 1024, 50)).toContain(50);
    expect(steps(1, 1024)).toEqual([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024]);
    expect(rangeOf("layer_2")).toEqual([1, 4096]);
  });
  it("stand in the address", () => {
    expect(readSizes(sizesText({ head: 8, position: 64 }))).toEqual({ head: 8, position: 64 });
    expect(readSizes("head:x,:3,<b>:1,blocks:2")).toEqual({ blocks: 2 });
  });
  it("are said in the page's language", () => {
    expect(counted(124_439_808, "en")).toBe("124.4 million");
    expect(counted(124_439_808, "de")).toBe("124,4 Millionen");
    expect(counted(7850, "en")).toBe("7,850");
    expect(bytes(250_000_000, "en")).toBe("1 GB");
  });
});
