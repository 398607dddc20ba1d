/** What a heat map draws: numbers in rows and columns, in memory or asked for window by window. */

export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /**
   * The numbers of a window, row by row: from `rows[0]` up to, not with, `rows[1]`. With `block`, so many rows and
   * columns become one number each: the one that is farthest from zero.
   */
  part(rows: Range, columns: Range, block?: readonly [number, number]): Float32Array | Promise<Float32Array>;
}

export type Range = readonly [start: number, stop: number];

/** Numbers that are all here, row by row. */
export function inMemory(values: ArrayLike<number>, rows: number, columns: number): Matrix {
  return {
    rows,
    columns,
    part(own, across, block = [1, 1]) {
      if (own[0] === 0 && own[1] === rows && across[0] === 0 && across[1] === columns && block[0] === 1 && block[1] === 1)
        return values instanceof Float32Array ? values : Float32Array.from(values);
      return reduced(values, columns, own, across, block);
    },
  };
}

function reduced(values: ArrayLike<number>, stride: number, rows: Range, columns: Range, block: readonly [number, number]): Float32Array {
  const height = Math.ceil((rows[1] - rows[0]) / block[0]);
  const width = Math.ceil((columns[1] - columns[0]) / block[1]);
  const found = new Float32Array(height * width);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++)
      found[row * width + column] = farthest(
        values, stride,
        [rows[0] + row * block[0], Math.min(rows[0] + (row + 1) * block[0], rows[1])],
        [columns[0] + column * block[1], Math.min(columns[0] + (column + 1) * block[1], columns[1])],
      );
  return found;
}

/** The finite number that is farthest from zero; where none is finite, the first. */
function farthest(values: ArrayLike<number>, stride: number, rows: Range, columns: Range): number {
  let found = values[rows[0] * stride + columns[0]] ?? NaN;
  let size = -1;
  for (let row = rows[0]; row < rows[1]; row++)
    for (let column = columns[0]; column < columns[1]; column++) {
      const value = values[row * stride + column] as number;
      if (Number.isFinite(value) && Math.abs(value) > size) {
        found = value;
        size = Math.abs(value);
      }
    }
  return found;
}

export interface Extremes {
  smallest: number;
  largest: number;
  /** Flat positions of both, and of the number that is farthest from zero. */
  smallestAt: number;
  largestAt: number;
  farthest: number;
  /** How many numbers are −∞ (masked), and how many are not a number or +∞. */
  masked: number;
  broken: number;
}

/** The smallest and the largest finite number; undefined where there is none. */
export function extremes(values: ArrayLike<number>): Extremes | undefined {
  const found: Extremes = { smallest: Infinity, largest: -Infinity, smallestAt: 0, largestAt: 0, farthest: 0, masked: 0, broken: 0 };
  for (let at = 0; at < values.length; at++) {
    const value = values[at] as number;
    if (value === -Infinity) found.masked++;
    else if (!Number.isFinite(value)) found.broken++;
    else {
      if (value < found.smallest) [found.smallest, found.smallestAt] = [value, at];
      if (value > found.largest) [found.largest, found.largestAt] = [value, at];
    }
  }
  if (found.largest === -Infinity) return undefined;
  found.farthest = Math.max(Math.abs(found.smallest), Math.abs(found.largest));
  return found;
}
