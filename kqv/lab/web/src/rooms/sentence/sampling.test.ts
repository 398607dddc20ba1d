import { describe, expect, it } from "vitest";
import { distribution, ordered, softmax } from "./sampling";

const logits = [2, -1, 0.5, 2, -Infinity];
const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);

describe("sampling", () => {
  it("sums to 1 and leaves out what is sorted out", () => {
    for (const given of [{}, { topK: 2 }, { topP: 0.5 }, { minP: 0.3 }, { topK: 3, topP: 0.9, minP: 0.1 }]) {
      expect(sum(distribution(logits, { temperature: 0.7, ...given }))).toBeCloseTo(1, 12);
    }
    expect(Array.from(distribution(logits, { temperature: 1, topK: 2 })).filter((p) => p > 0)).toEqual([0.5, 0.5]);
  });

  it("takes the first of the likeliest at temperature 0, and of equal ones the first", () => {
    expect(Array.from(distribution(logits, { temperature: 0 }))).toEqual([1, 0, 0, 0, 0]);
    expect(Array.from(distribution(logits, { temperature: 1, topK: 1 }))).toEqual([1, 0, 0, 0, 0]);
    expect(Array.from(ordered(logits))).toEqual([0, 3, 2, 1, 4]);
  });

  it("does not overflow at a tiny temperature", () => {
    expect(Array.from(softmax([1000, 999], 1e-6))).toEqual([1, 0]);
  });
});
