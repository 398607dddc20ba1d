import { expect, it } from "vitest";
import { after, asked } from "./news";

const run = (name: string, state: string, told: number) => ({ name, state, told });

it("an answer that comes after a later event changes nothing", () => {
  const stopped = [run("a", "stopped", 5)];
  expect(after(stopped, run("a", "stopping", 4))).toBe(stopped);
  expect(after(stopped, run("a", "starting", 6))).toEqual([run("a", "starting", 6)]);
});

it("a list that was asked for keeps what was heard later, and only what it found", () => {
  const known = [run("a", "stopped", 5), run("b", "running", 1), run("c", "running", 9)];
  const found = [run("b", "finished", 4), run("a", "running", 4)];
  expect(asked(known, found)).toEqual([run("b", "finished", 4), run("a", "stopped", 5)]);
});

it("one that nobody knew comes first, and one that is gone goes", () => {
  const known = [run("a", "running", 1)];
  expect(after(known, run("b", "starting", 2)).map((one) => one.name)).toEqual(["b", "a"]);
  expect(after(known, run("a", "gone", 2))).toEqual([]);
});

it("what only news have is taken into what is known", () => {
  const known: { name: string; state: string; told?: number; step?: number }[] = [{ name: "a", state: "running", told: 1, step: 3 }];
  expect(after(known, { name: "a", state: "stopping", told: 2 })).toEqual([{ name: "a", state: "stopping", told: 2, step: 3 }]);
});
