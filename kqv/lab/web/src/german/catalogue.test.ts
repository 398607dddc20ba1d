import { expect, test } from "vitest";
import { Catalogue } from "./catalogue";
import errors from "./errors.json";

const catalogue = new Catalogue({ "no run {0}; it has: {1}": "kein Lauf {0}; es gibt: {1}", "no run {0}": "kein Lauf {0}", "σ(z) is missing": "σ(z) fehlt" });

test("a sentence is found whole, or with names in it, the most telling first", () => {
  expect(catalogue.german("σ(z) is missing")).toBe("σ(z) fehlt");
  expect(catalogue.german("no run 'x'; it has: a, b")).toBe("kein Lauf 'x'; es gibt: a, b");
  expect(catalogue.german("no run 'x'")).toBe("kein Lauf 'x'");
  expect(catalogue.german("something else")).toBeUndefined();
});

test("each error's own sentence is told apart from all others", () => {
  const all = new Catalogue(errors);
  for (const [english, german] of Object.entries(errors)) {
    const fill = (text: string) => text.replace(/\{(\d)\}/g, (_, at: string) => `x${at}`);
    expect(all.german(fill(english))).toBe(fill(german));
  }
});
