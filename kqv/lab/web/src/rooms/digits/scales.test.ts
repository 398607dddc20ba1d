import { describe, expect, it } from "vitest";
import { inkOn, largest, paint, type Palette } from "./scales";

const palette: Palette = {
  negative: [0, 0, 255],
  zero: [200, 200, 200],
  positive: [255, 0, 0],
  probability0: [255, 255, 255],
  probability1: [0, 100, 100],
};

describe("a colour", () => {
  it("of a signed number is that of zero in the middle, and the same far on both sides", () => {
    expect(paint(0, "signed", 2, palette)).toEqual(palette.zero);
    expect(paint(2, "signed", 2, palette)).toEqual(palette.positive);
    expect(paint(-9, "signed", 2, palette)).toEqual(palette.negative);
  });

  it("of a probability goes from 0 to 1", () => {
    expect(paint(0, "unit", 1, palette)).toEqual(palette.probability0);
    expect(paint(1, "unit", 1, palette)).toEqual(palette.probability1);
  });

  it("of what is no number is like no other", () => {
    expect(paint(NaN, "signed", 1, palette)).toEqual([200, 0, 200]);
  });
});

it("black or white can be read on every grey (4.5:1)", () => {
  for (let grey = 0; grey < 256; grey++) {
    const part = grey / 255;
    const light = part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    const contrast = inkOn([grey, grey, grey]) === "#000000" ? (light + 0.05) / 0.05 : 1.05 / (light + 0.05);
    expect(contrast).toBeGreaterThan(4.5);
  }
});

it("the largest leaves out what is not finite", () => {
  expect(largest(new Float32Array([1, -3, Infinity, NaN]))).toBe(3);
});
