/** What the server says of a lesson: a header, and the recorded numbers behind it. */

export type Phase = "forward" | "backward" | "update";

export interface Tensor {
  name: string;
  phase: Phase;
  symbol: string;
  dimensions: string[];
  sizes: number[];
  values: Float32Array;
}

export interface Step {
  name: string;
  why: string;
  sizes: number[];
  values: Float32Array;
}

export interface Layer {
  module: string;
  number: number;
  kind: "dense" | "convolution" | "pooling";
  activation: string | null;
  reads: string;
  reads_layout: number[];
  layout: number[];
  z: string | null;
  a: string | null;
  weight: string | null;
  bias: string | null;
}

export interface Said {
  probabilities: number[];
  position: number;
  cost: number | string | null;
}

export interface Line {
  file: string;
  line: number;
}

export type StageName = "input" | "feedforward" | "error" | "backpropagation" | "gradient" | "update";

export interface Pass {
  layers: Layer[];
  probabilities: string;
  label: number | null;
  number: number | null;
  cost: number | string | null;
  history: Said[];
  code: Record<StageName, Line[]>;
  updated: boolean;
  steps: Step[];
  tensors: Tensor[];
}

export interface Introduction {
  id: string;
  name: string;
  recipe: string;
  data: string;
  network: string;
  classes: string[];
  shape: [number, number];
  parameters: number;
  cost: "quadratic" | "cross-entropy";
  output: "sigmoid" | "softmax";
  rate: number;
  optimizer: string;
}

/** An answer taken apart: the header as it is, and a reader of the numbers behind it, in their order. */
export function unpack(content: ArrayBuffer): { header: Record<string, unknown>; next: (sizes: number[]) => Float32Array } {
  const length = new DataView(content).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(content, 4, length))) as Record<string, unknown>;
  let at = 4 + length;
  const next = (sizes: number[]) => {
    const count = sizes.reduce((product, size) => product * size, 1);
    const found = new Float32Array(content, at, count);
    at += 4 * count;
    return found;
  };
  return { header, next };
}

export function readPass(content: ArrayBuffer): Pass {
  const { header, next } = unpack(content);
  const pass = header as unknown as Pass;
  for (const step of pass.steps) step.values = next(step.sizes);
  for (const tensor of pass.tensors) tensor.values = next(tensor.sizes);
  return pass;
}

export function readTensor(content: ArrayBuffer): Tensor {
  const { header, next } = unpack(content);
  const tensor = header as unknown as Tensor;
  tensor.values = next(tensor.sizes);
  return tensor;
}

export function tensorOf(pass: Pass, name: string | null, phase: Phase = "forward"): Tensor | undefined {
  return pass.tensors.find((tensor) => tensor.name === name && tensor.phase === phase);
}

/** What a layer gives to the next one: its activations, or z where it has no activation. */
export function given(layer: Layer): string {
  return layer.a ?? layer.z ?? "";
}

/** The index of an element that is counted row by row. */
export function unflatten(position: number, sizes: number[]): number[] {
  const index: number[] = [];
  for (const size of [...sizes].reverse()) {
    index.unshift(position % size);
    position = Math.floor(position / size);
  }
  return index;
}

/** A cell as the trace calls it: `grad:layers.0.weight[7, 300]`. */
export function cellName(phase: Phase, name: string, index: number[]): string {
  const prefix = { forward: "", backward: "grad:", update: "update:" }[phase];
  return `${prefix}${name}${index.length ? `[${index.join(",")}]` : ""}`;
}
