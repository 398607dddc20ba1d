import { expect, test } from "vitest";
import { erf } from "./functions";
import { broadcast, broadcastShape, descending, exactSum, number, sum, unflatten } from "./numbers";

test.each([
  [0.1, "0.1"],
  [-0, "0"],
  [1234567, "1.23457e+06"],
  [0.00001234, "1.234e−05"],
  [-2.5, "−2.5"],
  [100, "100"],
  [-Infinity, "−∞"],
])("%d is written as Python writes it", (value, text) => {
  expect(number(value)).toBe(text);
});

test("numbers are repeated along axes that they lack", () => {
  const shape = broadcastShape([2, 1], [3]);
  expect(shape).toEqual([2, 3]);
  expect([...broadcast(Float64Array.of(1, 2), [2, 1], shape)]).toEqual([1, 1, 1, 2, 2, 2]);
  expect([...broadcast(Float64Array.of(1, 2, 3), [3], shape)]).toEqual([1, 2, 3, 1, 2, 3]);
});

test("an empty axis stays empty", () => {
  expect(broadcastShape([0, 4], [4])).toEqual([0, 4]);
});

test("long sums lose little", () => {
  expect(sum(new Float64Array(100_000).fill(0.1))).toBeCloseTo(10_000, 9);
  expect(exactSum([1e16, 1, -1e16])).toBe(1);
});

test("the largest first, those without a number last", () => {
  expect(descending([1, NaN, 3, 3], 4)).toEqual([2, 3, 0, 1]);
});

test("a position counted row by row", () => {
  expect(unflatten(23, [2, 3, 4])).toEqual([1, 2, 3]);
});

test("Gauss' error function", () => {
  expect(erf(0.5)).toBeCloseTo(0.5204998778130465, 15);
  expect(erf(-3)).toBeCloseTo(-0.9999779095030014, 15);
});
