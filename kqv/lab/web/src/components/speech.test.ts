// @vitest-environment jsdom
import { afterEach, describe, expect, it } from "vitest";
import { speak } from "../texts.svelte";
import { arithmetic, inGerman, sentence } from "./speech.svelte";

afterEach(() => speak("en"));

describe("what the server says", () => {
  it("stays as it is in English", () => {
    expect(arithmetic("max(0.5, 1.25) + [3 more: 0.1]")).toBe("max(0.5, 1.25) + [3 more: 0.1]");
    expect(sentence("the same number, moved here by view")).toBe("the same number, moved here by view");
  });
  it("has commas in numbers and German words in German", () => {
    expect(inGerman("max(0.5, 1.25) + [3 more: 1e-05]")).toBe("max(0,5; 1,25) + [3 weitere: 1e-05]");
    speak("de");
    expect(arithmetic("0 because x ≤ 0")).toBe("0 weil x ≤ 0");
    expect(sentence("the same number, moved here by view")).toBe("dieselbe Zahl, hierher bewegt durch view");
  });
  it("knows a formula from a sentence", () => {
    expect(sentence("y = a + b")).toBeUndefined();
  });
});
