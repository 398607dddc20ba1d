/** Axes and paths of curves: numbers in, pixels out. */

export type Point = readonly [x: number, y: number];
export type Span = readonly [low: number, high: number];

export interface Series {
  name: string;
  points: readonly Point[];
  /** From where to where the values of several runs lie, such as a confidence interval. */
  band?: readonly (readonly [x: number, low: number, high: number])[];
  /** A CSS colour instead of the next of the usual ones. */
  colour?: string;
  dashed?: boolean;
  /** Thinner: measurements that jump, beside a line that says more. */
  faint?: boolean;
  /** The band alone is drawn, such as where most of many numbers lie. */
  bandOnly?: boolean;
}

export const COLOURS = [
  "light-dark(#1f5fa8, #79b4f5)", "light-dark(#b85c1e, #f5a669)", "light-dark(#1d7a4c, #63cf9a)", "light-dark(#a8437f, #f09acb)",
  "light-dark(#0a7d86, #5fd0d6)", "light-dark(#7b7413, #d3ca58)",
];

const isGood = (value: number, log: boolean) => Number.isFinite(value) && (!log || value > 0);

/** From the smallest to the largest of some numbers, with a little air; of a logarithmic axis the positive ones alone. */
export function span(values: Iterable<number>, log = false, air = 0.04): Span {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values)
    if (isGood(value, log)) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  if (low > high) return log ? [0.1, 1] : [0, 1];
  if (log) {
    const room = (high / low) ** air;
    return low === high ? [low / 2, high * 2] : [low / room, high * room];
  }
  const room = low === high ? Math.abs(high) * 0.1 || 1 : (high - low) * air;
  return [low - room, high + room];
}

/** A span that does not go beyond some bounds. */
export function within([low, high]: Span, bounds?: Span): Span {
  return bounds ? [Math.max(low, bounds[0]), Math.min(high, bounds[1])] : [low, high];
}

/** What gives the pixel of a number. */
export function axis([low, high]: Span, from: number, to: number, log = false): (value: number) => number {
  const [a, b] = log ? [Math.log(low), Math.log(high)] : [low, high];
  return (value) => from + (((log ? Math.log(value) : value) - a) / (b - a || 1)) * (to - from);
}

/** Round numbers along an axis, about as many as wanted. */
export function ticks([low, high]: Span, wanted: number, log = false): number[] {
  if (log) {
    const found: number[] = [];
    const many = Math.log10(high / low) <= 2;
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++)
      for (const part of many ? [1, 2, 5] : [1]) {
        const value = part * 10 ** power;
        if (value >= low && value <= high) found.push(value);
      }
    if (found.length >= 2) return found.filter((_, at) => at % Math.ceil(found.length / (wanted + 2)) === 0);
  }
  const rough = (high - low) / Math.max(wanted, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((part) => part * power >= rough) ?? 10) * power;
  const found: number[] = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(Number((Math.round(value / step) * step).toPrecision(12)));
  return found;
}

/** A line through points as an SVG path; it breaks where a number is missing. Of many in one column the ends are kept. */
export function line(points: readonly Point[], x: (value: number) => number, y: (value: number) => number, logX = false, logY = false): string {
  let path = "";
  let isOpen = false;
  for (const [across, up] of thinned(points, x)) {
    if (!isGood(across, logX) || !isGood(up, logY)) {
      isOpen = false;
      continue;
    }
    path += `${isOpen ? "L" : "M"}${x(across).toFixed(1)} ${y(up).toFixed(1)}`;
    isOpen = true;
  }
  return path;
}

/** At most the lowest and the highest of the points that share a pixel column, in their order. */
export function thinned(points: readonly Point[], x: (value: number) => number): readonly Point[] {
  if (points.length < 1500) return points;
  const found: Point[] = [];
  let column = NaN;
  let [low, high] = [0, 0];
  const close = () => {
    if (!Number.isNaN(column)) for (const at of [...new Set([low, high])].sort((a, b) => a - b)) found.push(points[at] as Point);
  };
  points.forEach(([across, up], at) => {
    const here = Math.round(x(across));
    if (here !== column) {
      close();
      [column, low, high] = [here, at, at];
    } else {
      if (up < (points[low] as Point)[1]) low = at;
      if (up > (points[high] as Point)[1] || Number.isNaN(up)) high = at;
    }
  });
  close();
  return found;
}

/** A band between two lines as a closed path. */
export function area(band: NonNullable<Series["band"]>, x: (value: number) => number, y: (value: number) => number): string {
  const good = band.filter((item) => item.every(Number.isFinite));
  if (!good.length) return "";
  const corner = (across: number, up: number) => `${x(across).toFixed(1)} ${y(up).toFixed(1)}`;
  return `M${[...good.map(([across, , high]) => corner(across, high)), ...[...good].reverse().map(([across, low]) => corner(across, low))].join("L")}Z`;
}

/** The point of a series that is nearest to an x. */
export function nearest(points: readonly Point[], x: number): Point | undefined {
  let found: Point | undefined;
  for (const point of points) if (!found || Math.abs(point[0] - x) < Math.abs(found[0] - x)) found = point;
  return found;
}

/** Names at the lines' ends, moved apart so that none covers another. */
export function apart(positions: readonly number[], height: number, low: number, high: number): number[] {
  const order = positions.map((_, at) => at).sort((a, b) => (positions[a] as number) - (positions[b] as number));
  const found = [...positions];
  let last = low - height;
  for (const at of order) last = found[at] = Math.max(found[at] as number, last + height);
  let next = high + height;
  for (const at of order.reverse()) next = found[at] = Math.min(found[at] as number, next - height);
  return found;
}
