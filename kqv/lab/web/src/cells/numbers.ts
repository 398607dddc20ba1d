// Numbers as Python shows them, and arrays of numbers that broadcast as NumPy's do.

export type Shape = readonly number[];

/** Added to the scale of products and functions: single precision rounds results below its smallest normal number to zero. */
export const UNDERFLOW = 1e5 * 2 ** -126;

/** A number with so many significant digits, as Python's format "g" writes it, with a minus sign. */
export function number(value: number, digits = 6): string {
  return general(value, digits).replaceAll("-", "−").replace("inf", "∞");
}

function general(value: number, digits: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  if (value === 0) return "0";
  const [mantissa, power] = value.toExponential(digits - 1).split("e") as [string, string];
  const exponent = Number(power);
  if (exponent >= -4 && exponent < digits) return stripped(value.toFixed(digits - 1 - exponent));
  return `${stripped(mantissa)}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

function stripped(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** The number that is printed with so many digits. */
export function rounded(value: number, digits: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(digits)) : value;
}

/** A number in a remark: three significant digits. */
export function short(value: number): string {
  return general(value, 3).replaceAll("-", "−");
}

export function product(sizes: Shape): number {
  return sizes.reduce((total, size) => total * size, 1);
}

export function broadcastShape(...shapes: Shape[]): Shape {
  const depth = Math.max(0, ...shapes.map((shape) => shape.length));
  const found: number[] = [];
  for (let axis = 0; axis < depth; axis++) {
    const sizes = shapes.map((shape) => shape[axis - depth + shape.length] ?? 1);
    found.push(sizes.find((size) => size !== 1) ?? 1);
  }
  return found;
}

/** The numbers repeated along the axes that they lack or have with one position. */
export function broadcast(values: Float64Array, shape: Shape, target: Shape): Float64Array {
  const count = product(target);
  if (values.length === count) return values;
  const found = new Float64Array(count);
  if (values.length === 1) return found.fill(values[0]!);
  const steps = new Array<number>(target.length).fill(0);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!;
    if (size > 1) steps[axis + target.length - shape.length] = step;
    step *= size;
  }
  const at = new Array<number>(target.length).fill(0);
  for (let flat = 0, from = 0; flat < count; flat++) {
    found[flat] = values[from]!;
    for (let axis = target.length - 1; axis >= 0; axis--) {
      from += steps[axis]!;
      if (++at[axis]! < target[axis]!) break;
      from -= steps[axis]! * target[axis]!;
      at[axis] = 0;
    }
  }
  return found;
}

export function unflatten(position: number, sizes: Shape): number[] {
  const index = new Array<number>(sizes.length);
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    index[axis] = position % sizes[axis]!;
    position = Math.floor(position / sizes[axis]!);
  }
  return index;
}

export function flatten(index: Shape, sizes: Shape): number {
  return index.reduce((position, at, axis) => position * sizes[axis]! + at, 0);
}

/** Σ in pairs, so that little is lost in long sums; `start` and `end` as of a slice. */
export function sum(values: ArrayLike<number>, start = 0, end = values.length): number {
  if (end - start <= 64) {
    let total = 0;
    for (let at = start; at < end; at++) total += values[at]!;
    return total;
  }
  const middle = start + ((end - start) >> 1);
  return sum(values, start, middle) + sum(values, middle, end);
}

/** Σ of a few numbers, the rounding of each step added back. */
export function exactSum(values: readonly number[]): number {
  let total = 0;
  let lost = 0;
  for (const value of values) {
    const next = total + value;
    lost += Math.abs(total) >= Math.abs(value) ? total - next + value : value - next + total;
    total = next;
  }
  return Number.isFinite(total) ? total + lost : total;
}

/** The positions of so many of the largest numbers, the largest first; NaN last, equal ones in their order. */
export function descending(values: ArrayLike<number>, most: number): number[] {
  const order: number[] = [];
  const isBefore = (one: number, other: number): boolean => one > other || (Number.isNaN(other) && !Number.isNaN(one));
  for (let at = 0; at < values.length; at++) {
    if (order.length === most && !isBefore(values[at]!, values[order[most - 1]!]!)) continue;
    let slot = order.length;
    while (slot > 0 && isBefore(values[at]!, values[order[slot - 1]!]!)) slot--;
    order.splice(slot, 0, at);
    if (order.length > most) order.pop();
  }
  return order;
}
