import type { AnyModel } from "@anywidget/types";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { floatsOf, Kernel, PATIENCE } from "./kernel.svelte";

interface Asked { ask: string; about: string; query: Record<string, unknown> }

/** A widget's model whose kernel answers when the test says so. */
function modelOf() {
  const hearing = new Set<(said: unknown, buffers?: DataView[]) => void>();
  const asked: Asked[] = [];
  const model = {
    on: (_: string, hear: () => void) => void hearing.add(hear),
    off: (_: string, hear: () => void) => void hearing.delete(hear),
    send: (content: Asked) => void asked.push(content),
  } as unknown as AnyModel;
  return { model, asked, hearing, say: (said: object, buffers?: DataView[]) => hearing.forEach((hear) => hear(said, buffers)) };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("asks by the last part of the server's address, and takes the answer of its own number", async () => {
  const { model, asked, say } = modelOf();
  const kernel = new Kernel(model);
  const [first, second] = [kernel.get<number>("traces/7/summary", { tensor: "a" }), kernel.get<number>("traces/7/cell", { cell: "b" })];
  expect(asked.map(({ about, query }) => [about, query])).toEqual([["summary", { tensor: "a" }], ["cell", { cell: "b" }]]);
  say({ answer: asked[1]!.ask, content: 2 });
  say({ answer: asked[0]!.ask, content: 1 });
  say({ answer: asked[0]!.ask, content: 3 }); // a second answer changes nothing
  expect(await Promise.all([first, second])).toEqual([1, 2]);
});

it("leaves the answers of another view of the same model alone", async () => {
  const { model, asked, say } = modelOf();
  const [one, other] = [new Kernel(model), new Kernel(model)];
  const found = [one.get("a"), other.get("a")];
  expect(asked[0]!.ask).not.toBe(asked[1]!.ask);
  say({ answer: asked[1]!.ask, content: "other" });
  say({ answer: asked[0]!.ask, content: "one" });
  expect(await Promise.all(found)).toEqual(["one", "other"]);
});

it("fails with the kernel's line", async () => {
  const { model, asked, say } = modelOf();
  const found = new Kernel(model).get("cell");
  say({ answer: asked[0]!.ask, error: "there is no such cell" });
  await expect(found).rejects.toThrow("there is no such cell");
});

it("reads numbers wherever in their buffer they begin, also those that are not finite", async () => {
  const bytes = new Uint8Array(3 + 16);
  bytes.set(new Uint8Array(Float32Array.of(1.5, NaN, -Infinity, 0).buffer), 3);
  const view = new DataView(bytes.buffer, 3, 16);
  expect(floatsOf(view)).toEqual(Float32Array.of(1.5, NaN, -Infinity, 0));
  expect(floatsOf(undefined)).toEqual(new Float32Array());
  const { model, asked, say } = modelOf();
  const found = new Kernel(model).floats("numbers");
  say({ answer: asked[0]!.ask, content: null }, [view]);
  expect(await found).toHaveLength(4);
});

it("says when an answer is late, and when all have come", () => {
  const { model, asked, say } = modelOf();
  const kernel = new Kernel(model);
  void kernel.get("a");
  vi.advanceTimersByTime(PATIENCE - 1);
  void kernel.get("b");
  expect(kernel.isLate).toBe(false);
  vi.advanceTimersByTime(1);
  expect(kernel.isLate).toBe(true);
  say({ answer: asked[0]!.ask, content: 1 });
  expect(kernel.isLate).toBe(false);
  vi.advanceTimersByTime(PATIENCE);
  expect(kernel.isLate).toBe(true); // the other one
  say({ answer: asked[1]!.ask, content: 1 });
  expect(kernel.isLate).toBe(false);
});

it("hears nothing once it is closed", () => {
  const { model, hearing } = modelOf();
  new Kernel(model).close();
  expect(hearing.size).toBe(0);
});
