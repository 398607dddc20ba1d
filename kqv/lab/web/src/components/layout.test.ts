import { describe, expect, it } from "vitest";
import { layout, longest, type Room } from "./layout";

const room: Room = { rows: 12, columns: 12, width: 700, height: 420, largest: 28, rowWords: 6, columnWords: 6 };

describe("the layout of a heat map", () => {
  it("shows all cells of a small one, with words", () => {
    const found = layout(room);
    expect(found).toMatchObject({ rows: 12, columns: 12, width: 28, height: 28, isWindow: false });
    expect(found.left).toBeGreaterThan(40);
  });
  it("shows all cells of a larger one without words, as long as they can be hit", () => {
    expect(layout({ ...room, rows: 64, columns: 64 })).toMatchObject({ rows: 64, columns: 64, width: 6, isWindow: false, left: 0, top: 0 });
  });
  it("shows a window of a large one, whose cells are large enough to be chosen and have words", () => {
    const found = layout({ ...room, rows: 300, columns: 300 });
    expect(found).toMatchObject({ isWindow: true, width: 14 });
    expect(found.columns * found.width + found.left).toBeLessThanOrEqual(700);
    expect(found.rows * found.height).toBeLessThanOrEqual(420);
    expect(found.left).toBeGreaterThan(0);
  });
  it("makes few rows higher than wide, so that words can stand beside them", () => {
    expect(layout({ ...room, rows: 7, columns: 64 })).toMatchObject({ columns: 64, height: 16, isWindow: false });
  });
  it("gives one row a height of its own", () => {
    expect(layout({ ...room, rows: 1, columns: 384 })).toMatchObject({ isWindow: true, height: 24, rows: 1 });
    expect(layout({ ...room, rows: 1, columns: 10 })).toMatchObject({ isWindow: false, height: 28 });
  });
  it("fits a telephone", () => {
    const found = layout({ ...room, width: 340, rows: 40, columns: 40 });
    expect(found.columns * found.width + found.left).toBeLessThanOrEqual(340);
  });
});

it("counts the letters of the longest word", () => {
  expect(longest((at) => ["a", "pizza", "it"][at] ?? "", 3)).toBe(5);
  expect(longest(undefined, 3)).toBe(0);
});
