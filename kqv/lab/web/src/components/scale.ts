/**
 * Numbers as colours: signed ones diverging about zero, probabilities from 0 to 1, positive ones from 0 up, a picture's
 * greys from black; always with the limit that is given.
 */

export type Scale = { kind: "signed" | "positive" | "grey"; limit: number } | { kind: "probability" };
export type Colour = readonly [red: number, green: number, blue: number];

/** The colours that a page's theme gives: see `--negative`, `--zero`, … in app.css. */
export interface Palette {
  negative: Colour;
  zero: Colour;
  positive: Colour;
  none: Colour;
  certain: Colour;
  masked: Colour;
  broken: Colour;
}

const STEPS = 255;

/** Where a number stands on its scale, from −1 to 1; what lies beyond the limit is at its end. */
export function level(value: number, scale: Scale): number {
  if (scale.kind !== "signed") return Math.max(0, Math.min(1, scale.kind === "probability" ? value : value / (scale.limit || 1)));
  if (scale.limit <= 0) return Math.sign(value);
  return Math.max(-1, Math.min(1, value / scale.limit));
}

/** The limit of a signed scale for these numbers, the same on both sides: the size of the largest. */
export function limitOf(...parts: ArrayLike<number>[]): number {
  let limit = 0;
  for (const values of parts)
    for (let at = 0; at < values.length; at++) {
      const size = Math.abs(values[at] as number);
      if (size > limit && size < Infinity) limit = size;
    }
  return limit || 1;
}

/** Paints numbers: as RGBA pixels, one for each. */
export class Painter {
  private readonly table: Uint8ClampedArray;
  private readonly masked: Colour;
  private readonly broken: Colour;

  constructor(palette: Palette, private readonly scale: Scale) {
    this.table = scale.kind === "signed" ? ramp(palette.negative, palette.zero, palette.positive) : ramp(palette.none, palette.none, palette.certain);
    this.masked = palette.masked;
    this.broken = palette.broken;
  }

  colour(value: number): Colour {
    if (value === -Infinity) return this.masked;
    if (!Number.isFinite(value)) return this.broken;
    if (this.scale.kind === "grey") return grey(level(value, this.scale));
    const at = 3 * (STEPS + Math.round(STEPS * level(value, this.scale)));
    return [this.table[at] as number, this.table[at + 1] as number, this.table[at + 2] as number];
  }

  pixels(values: ArrayLike<number>): Uint8ClampedArray<ArrayBuffer> {
    const found = new Uint8ClampedArray(4 * values.length);
    for (let at = 0; at < values.length; at++) {
      const [red, green, blue] = this.colour(values[at] as number);
      found[4 * at] = red;
      found[4 * at + 1] = green;
      found[4 * at + 2] = blue;
      found[4 * at + 3] = 255;
    }
    return found;
  }
}

const grey = (part: number): Colour => [Math.round(255 * part), Math.round(255 * part), Math.round(255 * part)];

const [DARK, LIGHT] = ["#000000", "#ffffff"];
const EVEN = 0.179; // relative luminance at which both stand out alike, by 4.58 to 1: enough for small text

/** Black or white, whichever can be read better on a colour (WCAG 2.1, contrast ratio). */
export function inkOn(colour: Colour): string {
  const [red, green, blue] = colour.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4)) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > EVEN ? DARK : LIGHT;
}

/** Colours from −1 over 0 to 1, mixed in a space where equal steps look equal (Ottosson 2020, OKLab). */
function ramp(low: Colour, middle: Colour, high: Colour): Uint8ClampedArray {
  const table = new Uint8ClampedArray(3 * (2 * STEPS + 1));
  const [from, centre, to] = [low, middle, high].map(lab) as [Colour, Colour, Colour];
  for (let step = -STEPS; step <= STEPS; step++) {
    const part = Math.abs(step) / STEPS;
    const end = step < 0 ? from : to;
    table.set(rgb([0, 1, 2].map((axis) => (centre[axis] as number) * (1 - part) + (end[axis] as number) * part) as unknown as Colour), 3 * (step + STEPS));
  }
  return table;
}

const linear = (part: number) => (part <= 10.31475 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4);
const curved = (part: number) => 255 * (part <= 0.0031308 ? 12.92 * part : 1.055 * part ** (1 / 2.4) - 0.055);

function lab(colour: Colour): Colour {
  const [r, g, b] = colour.map(linear) as [number, number, number];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function rgb([lightness, a, b]: Colour): Colour {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    curved(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    curved(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    curved(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}
