import { describe, expect, it } from "vitest";
import { extremes, inMemory } from "./matrix";
import { inkOn, level, limitOf, Painter, type Palette } from "./scale";

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

describe("other scales", () => {
  it("run from 0 to the limit, in one colour or in greys", () => {
    const positive = new Painter(PALETTE, { kind: "positive", limit: 4 });
    expect(positive.colour(-1)).toEqual([250, 250, 250]);
    expect(positive.colour(4)).toEqual([0, 80, 80]);
    const grey = new Painter(PALETTE, { kind: "grey", limit: 255 });
    expect([0, 127, 255].map((value) => grey.colour(value)[0])).toEqual([0, 127, 255]);
  });
});

describe("ink on a colour", () => {
  const luminance = (colour: readonly number[]) =>
    colour.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4)).reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at]!, 0);
  const contrast = (a: readonly number[], b: readonly number[]) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
    return (high + 0.05) / (low + 0.05);
  };
  const rgb = (text: string) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  it("always has the contrast that small text needs", () => {
    const painter = new Painter(PALETTE, { kind: "signed", limit: 1 });
    for (let value = -1; value <= 1; value += 1 / 64) {
      const colour = painter.colour(value);
      expect(contrast(colour, rgb(inkOn(colour)))).toBeGreaterThanOrEqual(4.5);
    }
  });
});
