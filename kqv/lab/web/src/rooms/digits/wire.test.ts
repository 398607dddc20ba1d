import { describe, expect, it } from "vitest";
import { cellName, readPass, readTensor, unflatten } from "./wire";

function packed(header: unknown, numbers: number[]): ArrayBuffer {
  let text = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil(text.length / 4) * 4).fill(32);
  padded.set(text);
  text = padded;
  const content = new Uint8Array(4 + text.length + 4 * numbers.length);
  new DataView(content.buffer).setUint32(0, text.length, true);
  content.set(text, 4);
  content.set(new Uint8Array(new Float32Array(numbers).buffer), 4 + text.length);
  return content.buffer;
}

describe("an answer", () => {
  it("gives each tensor its own numbers", () => {
    const header = { steps: [{ name: "grey", sizes: [1, 2] }], tensors: [{ name: "δ", sizes: [1, 3] }, { name: "a", sizes: [] }] };
    const pass = readPass(packed(header, [1, 2, 3, 4, 5, 6]));
    expect([...(pass.steps[0]?.values ?? [])]).toEqual([1, 2]);
    expect(pass.tensors.map((tensor) => [...tensor.values])).toEqual([[3, 4, 5], [6]]);
  });

  it("is read as one tensor", () => {
    expect([...readTensor(packed({ name: "w", sizes: [2, 1] }, [0.5, -0.25])).values]).toEqual([0.5, -0.25]);
  });
});

describe("a cell", () => {
  it("is counted row by row", () => {
    expect(unflatten(7, [2, 3, 2])).toEqual([1, 0, 1]);
    expect(unflatten(0, [])).toEqual([]);
  });

  it("is called as in the trace", () => {
    expect(cellName("backward", "layers.0.weight", [7, 300])).toBe("grad:layers.0.weight[7,300]");
    expect(cellName("forward", "cost", [])).toBe("cost");
  });
});
