import { describe, expect, it } from "vitest";
import { moved, shown } from "./grid";

describe("moving in a grid", () => {
  it("goes one cell with an arrow and stops at the edges", () => {
    expect(moved("ArrowDown", [0, 3], 5, 7)).toEqual([1, 3]);
    expect(moved("ArrowDown", [4, 3], 5, 7)).toEqual([4, 3]);
    expect(moved("ArrowLeft", [2, 0], 5, 7)).toEqual([2, 0]);
    expect(moved("ArrowRight", [2, 6], 5, 7)).toEqual([2, 6]);
    expect(moved("ArrowUp", [0, 0], 5, 7)).toEqual([0, 0]);
  });

  it("goes to ends with Home and End, to corners with Control", () => {
    expect(moved("Home", [2, 4], 5, 7)).toEqual([2, 0]);
    expect(moved("End", [2, 4], 5, 7)).toEqual([2, 6]);
    expect(moved("Home", [2, 4], 5, 7, 10, true)).toEqual([0, 0]);
    expect(moved("End", [2, 4], 5, 7, 10, true)).toEqual([4, 6]);
    expect(moved("ArrowDown", [2, 4], 5, 7, 10, true)).toEqual([4, 4]);
  });

  it("goes a page of rows, and leaves other keys alone", () => {
    expect(moved("PageDown", [2, 4], 100, 7, 20)).toEqual([22, 4]);
    expect(moved("PageUp", [2, 4], 100, 7, 20)).toEqual([0, 4]);
    expect(moved("a", [2, 4], 5, 7)).toBeUndefined();
    expect(moved("Tab", [2, 4], 5, 7)).toBeUndefined();
  });
});

describe("a window that shows a position", () => {
  it("moves as little as possible and stays inside", () => {
    expect(shown(10, 5, 100, 12)).toBe(10);
    expect(shown(10, 5, 100, 15)).toBe(11);
    expect(shown(10, 5, 100, 3)).toBe(3);
    expect(shown(10, 5, 100, 99)).toBe(95);
    expect(shown(0, 5, 3, 2)).toBe(0);
  });
});
