import { expect, it } from "vitest";
import { read, write, type Stroke } from "./strokes";

it("strokes come back from an address", () => {
  const strokes: Stroke[] = [[[10, 20], [100, 20], [280, 280]], [[0, 0]]];
  expect(read(write(strokes))).toEqual(strokes);
});

it("points that lie close together are thinned out, but the ends stay", () => {
  const line: Stroke = Array.from({ length: 101 }, (_, at) => [20 + at, 40]);
  const [found] = read(write([line]));
  expect(found?.length).toBeLessThan(20);
  expect([found?.[0], found?.at(-1)]).toEqual([[20, 40], [120, 40]]);
});

it("what is no drawing gives none", () => {
  expect(read("")).toEqual([]);
  expect(read("?!.zzzz")).toEqual([]);
});
