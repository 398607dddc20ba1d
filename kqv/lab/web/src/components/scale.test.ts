import { describe, expect, it } from "vitest";
import { extremes, inMemory } from "./matrix";
import { level, limitOf, Painter, type Palette } from "./scale";

const PALETTE: Palette = {
  negative: [0, 0, 255], zero: [255, 255, 255], positive: [255, 0, 0], none: [250, 250, 250], certain: [0, 80, 80], masked: [9, 9, 9], broken: [200, 0, 200],
};

describe("a signed scale", () => {
  const painter = new Painter(PALETTE, { kind: "signed", limit: 2 });
  it("has nothing at zero, its ends at the limit and beyond, and the same steps on both sides", () => {
    expect(painter.colour(0)).toEqual([255, 255, 255]);
    expect(painter.colour(2)).toEqual([255, 0, 0]);
    expect(painter.colour(-2)).toEqual([0, 0, 255]);
    expect(painter.colour(99)).toEqual(painter.colour(2));
    expect(level(1, { kind: "signed", limit: 2 })).toBe(-level(-1, { kind: "signed", limit: 2 }));
  });
  it("marks what is masked and what is no number", () => {
    expect(painter.colour(-Infinity)).toEqual([9, 9, 9]);
    expect(painter.colour(NaN)).toEqual([200, 0, 200]);
  });
  it("paints a pixel for each number", () => {
    expect([...painter.pixels([0, 2])]).toEqual([255, 255, 255, 255, 255, 0, 0, 255]);
  });
});

describe("probabilities", () => {
  it("run from 0 to 1, whatever the numbers are", () => {
    const painter = new Painter(PALETTE, { kind: "probability" });
    expect(painter.colour(0)).toEqual([250, 250, 250]);
    expect(painter.colour(1)).toEqual([0, 80, 80]);
    expect(painter.colour(0.2)).not.toEqual(painter.colour(0.4));
  });
});

describe("numbers of a matrix", () => {
  const values = Float32Array.from([1, -2, 3, -Infinity, NaN, 0.5, -7, 4, 2, 1, 0, 0]);
  it("the limit is the size of the largest finite number", () => {
    expect(limitOf(values)).toBe(7);
    expect(limitOf([0, 0])).toBe(1);
  });
  it("its extremes know where they are", () => {
    expect(extremes(values)).toEqual({ smallest: -7, largest: 4, smallestAt: 6, largestAt: 7, farthest: 7, masked: 1, broken: 1 });
    expect(extremes([-Infinity])).toBeUndefined();
  });
  it("a window is its own numbers, an overview those farthest from zero", () => {
    const matrix = inMemory(values, 3, 4);
    expect(matrix.part([1, 3], [1, 3])).toEqual(Float32Array.from([0.5, -7, 1, 0]));
    expect(matrix.part([0, 3], [0, 4], [2, 2])).toEqual(Float32Array.from([-2, -7, 2, 0]));
  });
});
