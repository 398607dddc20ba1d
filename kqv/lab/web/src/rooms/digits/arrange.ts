/** How a layer's numbers are laid out as cells, and what they are called. */

import { limitOf, type Scale } from "../../components/scale";
import type { Layer } from "./wire";

export interface Arrangement {
  tiles: number;
  rows: number;
  columns: number;
  across?: number;
  cell: number;
  gap: number;
}

/** So many neurons in a rectangle about twice as wide as high, without a last row that is shorter where that can be. */
export function acrossOf(count: number): number {
  if (count <= 12) return count;
  const start = Math.round(Math.sqrt(2 * count));
  for (let across = start; across <= 2 * start; across++) if (count % across === 0) return across;
  return start;
}

export function ofNeurons(layout: number[], room = 300): Arrangement {
  const [first = 1, rows = 1, columns = 1] = layout;
  if (layout.length === 1) {
    const across = acrossOf(first);
    const gap = across > 40 ? 1 : 2;
    return { tiles: first, rows: 1, columns: 1, across, cell: Math.min(26, Math.max(3, Math.floor(room / across) - gap)), gap };
  }
  if (layout.length === 2) return { tiles: 1, rows: first, columns: rows, cell: Math.max(1, Math.floor(Math.min(140, room) / first)), gap: 0 };
  const across = acrossOf(first);
  return { tiles: first, rows, columns, across, cell: Math.max(1, Math.floor((room - 3 * across) / (across * columns))), gap: 3 };
}

/** Weights [out, in] as a picture for each neuron where its inputs are one; else as a matrix; kernels each for itself. */
export function ofWeights(sizes: number[], reads: number[], room: number): Arrangement {
  const [out = 1, inputs = 1, rows = 1, columns = 1] = sizes;
  const fit = (cells: number, most: number) => Math.max(1, Math.min(most, Math.floor(room / cells)));
  if (sizes.length === 4) {
    const across = inputs > 1 ? inputs : acrossOf(out);
    return { tiles: out * inputs, rows, columns, across, cell: fit(across * (columns + 1), inputs > 1 ? 3 : 8), gap: 2 };
  }
  if (reads.length === 2) {
    const [high = 1, wide = 1] = reads;
    const across = acrossOf(out);
    const cell = Math.max(1, Math.min(Math.floor(160 / wide), Math.floor((room / across - 3) / wide)));
    return out <= 64 ? { tiles: out, rows: high, columns: wide, across, cell, gap: 3 } : { tiles: out, rows: high, columns: wide, cell, gap: 2 };
  }
  return { tiles: 1, rows: out, columns: inputs, cell: fit(inputs, out <= 16 ? 14 : 6), gap: 0 };
}

/** A layer's scale: that of its activation function, else as far as its numbers go. */
export function scaleOf(layer: Layer, values: Float32Array | undefined): Scale {
  if (layer.activation === "sigmoid") return { kind: "probability" };
  if (layer.activation === "tanh") return { kind: "signed", limit: 1 };
  const limit = limitOf(values ?? []);
  return { kind: layer.activation === "relu" || layer.kind === "pooling" ? "positive" : "signed", limit };
}

/** Where a scale ends. */
export function endOf(scale: Scale): number {
  return scale.kind === "probability" ? 1 : scale.limit;
}

/** Which number of values is the largest in size. */
export function strongest(values: Float32Array): number {
  let found = 0;
  values.forEach((value, at) => {
    if (Math.abs(value) > Math.abs(values[found] ?? 0)) found = at;
  });
  return found;
}

export function count(values: Float32Array, fits: (value: number) => boolean): number {
  let found = 0;
  for (const value of values) if (fits(value)) found++;
  return found;
}
