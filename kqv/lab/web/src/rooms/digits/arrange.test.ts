import { describe, expect, it } from "vitest";
import { acrossOf, ofNeurons, ofWeights, strongest } from "./arrange";

describe("neurons", () => {
  it("stand in a rectangle without a shorter last row", () => {
    expect([10, 30, 100, 512, 2048].map(acrossOf)).toEqual([10, 10, 20, 32, 64]);
  });

  it("of feature maps are a tile each", () => {
    expect(ofNeurons([32, 24, 24])).toMatchObject({ tiles: 32, rows: 24, columns: 24, across: 8 });
  });
});

describe("weights", () => {
  it("of a layer that reads a picture are pictures", () => {
    expect(ofWeights([30, 784], [28, 28], 1000)).toMatchObject({ tiles: 30, rows: 28, columns: 28 });
  });

  it("of a layer that reads neurons are a matrix", () => {
    expect(ofWeights([10, 512], [512], 1000)).toMatchObject({ tiles: 1, rows: 10, columns: 512 });
  });

  it("have a cell for each number, in the tensor's order", () => {
    for (const [sizes, reads] of [[[64, 32, 5, 5], [32, 12, 12]], [[256, 1024], [64, 4, 4]], [[30, 784], [28, 28]]] as const) {
      const found = ofWeights([...sizes], [...reads], 900);
      expect(found.tiles * found.rows * found.columns).toBe(sizes.reduce((product, size) => product * size, 1));
    }
  });
});

it("the strongest is the one farthest from zero", () => {
  expect(strongest(new Float32Array([0.5, -2, 1]))).toBe(1);
});
