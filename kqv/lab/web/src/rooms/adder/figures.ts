/** The tensors of a trace as pictures of rows and columns: which element stands where, and what its row is called. */

import type { Tensor } from "../../components/trace.svelte";

export interface Column {
  first: number | null;
  second: number | null;
  carry: number;
  right: number;
  said: string;
  probabilities: number[];
  position: number;
}

export interface Sum {
  digits: number;
  first: number;
  second: number;
  sum: number;
  parameters: number;
  activations: number;
  read: string[];
  columns: Column[];
}

export interface Figure {
  tensor: Tensor;
  /** What is fixed: `head 1`; empty where nothing is. */
  part: string;
  rows: number;
  columns: number;
  rowName: string;
  columnName: string;
  index: (row: number, column: number) => number[];
}

const ROWS = ["position", "query", "vocab", "out"];

/** One picture of a tensor, or one for each head where its rows are queries and its columns keys; the batch is its first
 * and only example. */
export function figuresOf(tensor: Tensor): Figure[] {
  const { dimensions, sizes } = tensor;
  const free = dimensions.map((name, axis) => ({ name, axis, size: sizes[axis] ?? 1 })).filter((one) => one.name !== "batch");
  const rowAxis = free.length > 1 ? (free.find((one) => ROWS.includes(one.name)) ?? free[0]) : undefined;
  const isPairs = dimensions.includes("query") && dimensions.includes("key");
  const fixed = isPairs ? free.filter((one) => one.name !== "query" && one.name !== "key") : [];
  const across = free.filter((one) => one !== rowAxis && !fixed.includes(one));
  const columns = across.reduce((product, one) => product * one.size, 1);
  return combinations(fixed.map((one) => one.size)).map((chosen) => ({
    tensor,
    part: fixed.map((one, at) => `${one.name} ${chosen[at]}`).join(", "),
    rows: rowAxis?.size ?? 1,
    columns,
    rowName: rowAxis?.name ?? "",
    columnName: across.map((one) => one.name).join(" · "),
    index: (row, column) => {
      const found = new Array<number>(sizes.length).fill(0);
      fixed.forEach((one, at) => (found[one.axis] = chosen[at] ?? 0));
      if (rowAxis) found[rowAxis.axis] = row;
      let rest = column;
      for (const one of [...across].reverse()) {
        found[one.axis] = rest % one.size;
        rest = Math.floor(rest / one.size);
      }
      return found;
    },
  }));
}

function combinations(sizes: number[]): number[][] {
  return sizes.reduce<number[][]>((found, size) => found.flatMap((one) => Array.from({ length: size }, (_, at) => [...one, at])), [[]]);
}

/** The position of an element in the tensor's numbers, row by row. */
export function flat(index: number[], sizes: number[]): number {
  return index.reduce((position, at, axis) => position * (sizes[axis] ?? 1) + at, 0);
}

/** All numbers of a phase, tensor by tensor: one answer of the server, cut up. */
export function cut(numbers: Float32Array, tensors: Tensor[], phase: Tensor["phases"][number]): Map<string, Float32Array> {
  const found = new Map<string, Float32Array>();
  let at = 0;
  for (const tensor of tensors) {
    if (!tensor.phases.includes(phase)) continue;
    const count = tensor.sizes.reduce((product, size) => product * size, 1);
    found.set(tensor.name, numbers.subarray(at, at + count));
    at += count;
  }
  return found;
}

const MOST = 12;

/**
 * The positions whose rows are shown: all of a short sum; of a long one those of a column and of the one before it, from
 * which its carry comes, the signs, and where its digit is written.
 */
export function shownPositions(sum: Sum, column: number): number[] {
  if (sum.read.length <= MOST) return sum.read.map((_, at) => at);
  const found = new Set([sum.digits, 2 * sum.digits + 1]);
  for (const digit of [column - 1, column]) {
    if (digit < 0) continue;
    if (digit < sum.digits) found.add(digit).add(sum.digits + 1 + digit);
    const written = sum.columns[digit]?.position;
    if (written !== undefined) found.add(written);
  }
  return [...found].filter((at) => at < sum.read.length).sort((a, b) => a - b);
}

/** A number in a small cell: two digits behind the point, or its order of magnitude. */
export function short(value: number, language: string): string {
  if (value === -Infinity) return "−∞";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : "∞";
  const size = Math.abs(value);
  if (size >= 999.5) return value.toExponential(0).replace("e+", "e").replace("-", "−");
  if (size !== 0 && size < 0.005) return value.toExponential(0).replaceAll("-", "−");
  const digits = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value).replace("-", "−");
}
