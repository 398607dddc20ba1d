import { describe, expect, it } from "vitest";
import { apart, area, axis, line, nearest, span, thinned, ticks, type Point } from "./curve";

const same = (value: number) => value;

describe("axes", () => {
  it("span what is finite, with air", () => {
    expect(span([1, NaN, 3, Infinity], false, 0)).toEqual([1, 3]);
    expect(span([])).toEqual([0, 1]);
    expect(span([5])[0]).toBeLessThan(5);
    expect(span([-1, 0, 2, 8], true, 0)).toEqual([2, 8]);
  });
  it("have round ticks inside", () => {
    expect(ticks([0, 10], 5)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(ticks([0.13, 0.47], 4)).toEqual([0.2, 0.3, 0.4]);
    expect(ticks([1, 10000], 5, true)).toEqual([1, 10, 100, 1000, 10000]);
    expect(ticks([1, 10], 5, true)).toEqual([1, 2, 5, 10]);
    expect(ticks([2.1, 4.4], 4, true).length).toBeGreaterThan(1);
  });
  it("map ends to ends, also upside down and logarithmic", () => {
    const y = axis([0, 10], 100, 0);
    expect([y(0), y(5), y(10)]).toEqual([100, 50, 0]);
    expect(axis([1, 100], 0, 10, true)(10)).toBeCloseTo(5);
  });
});

describe("paths", () => {
  it("break where a number is missing", () => {
    expect(line([[0, 1], [1, 2], [2, NaN], [3, 4]], same, same)).toBe("M0.0 1.0L1.0 2.0M3.0 4.0");
    expect(line([[0, 1], [1, -2], [2, 3]], same, same, false, true)).toBe("M0.0 1.0M2.0 3.0");
  });
  it("of many points in a column keep the lowest and the highest", () => {
    const many: Point[] = Array.from({ length: 3000 }, (_, at) => [at, at % 10]);
    const few = thinned(many, (value) => value / 10);
    expect(few.length).toBeLessThan(700);
    expect(Math.max(...few.map(([, up]) => up))).toBe(9);
    expect(Math.min(...few.map(([, up]) => up))).toBe(0);
    expect([...few].sort((a, b) => a[0] - b[0])).toEqual(few);
  });
  it("close a band", () => {
    expect(area([[0, 1, 2], [1, 2, 3]], same, same)).toBe("M0.0 2.0L1.0 3.0L1.0 2.0L0.0 1.0Z");
    expect(area([[0, NaN, 2]], same, same)).toBe("");
  });
});

it("finds the nearest point", () => {
  expect(nearest([[0, 1], [10, 2]], 6)).toEqual([10, 2]);
  expect(nearest([], 6)).toBeUndefined();
});

it("moves names apart and keeps them inside", () => {
  const found = apart([50, 52, 90], 14, 0, 95);
  expect((found[1] as number) - (found[0] as number)).toBeGreaterThanOrEqual(14);
  expect(Math.max(...found)).toBeLessThanOrEqual(95);
});
