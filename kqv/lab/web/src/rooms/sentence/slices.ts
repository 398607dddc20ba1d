/** Which two dimensions of a step are drawn, and where the others stand. */

import type { Step } from "./reading";

export interface Slice {
  rows: string;
  columns: string;
  /** Where each other dimension stands. */
  fixed: Record<string, number>;
  /** The index of a cell in the tensor's own order. */
  index: (row: number, column: number) => number[];
}

/**
 * The last two dimensions of a step, or its last one as a row. `batch` stands at 0; what counts heads at `heads`, which are
 * one position, or where heads share keys two: the key head, of `keyHeads`, and the position in its group.
 */
export function sliceOf(step: Step, heads: readonly number[], keyHeads: number): Slice {
  const { dimensions, sizes } = step;
  const last = dimensions.length - 1;
  const isTable = last >= 1 && dimensions[last - 1] !== "batch";
  const others = dimensions.slice(0, isTable ? -2 : -1);
  const counting = others.filter((name) => name !== "batch");
  const positions = counting.length === 1 && heads.length === 2 ? [shared(sizes[dimensions.indexOf(counting[0]!)]!, heads, keyHeads)] : [...heads];
  const fixed: Record<string, number> = {};
  for (const name of others) fixed[name] = name === "batch" ? 0 : (positions.shift() ?? 0);
  return {
    rows: isTable ? dimensions[last - 1]! : "",
    columns: dimensions[last] ?? "",
    fixed,
    index: (row, column) => [...Object.values(fixed), ...(isTable ? [row, column] : last >= 0 ? [column] : [])],
  };
}

/** A head among those that all queries have, or the key head that it shares. */
function shared(size: number, [keyHead = 0, within = 0]: readonly number[], keyHeads: number): number {
  return size === keyHeads ? keyHead : keyHead * (size / keyHeads) + within;
}
