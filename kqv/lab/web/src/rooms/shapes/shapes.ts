/** What the shapes' room knows: how tensors come from the server, which boxes they become, and numbers in words. */

export interface Shape {
  name: string;
  module: string;
  dimensions: string[];
  sizes: number[];
  kind: "parameter" | "buffer" | "activation";
  origin: string;
  formula: string;
  line: string;
  symbol: string;
  moved: boolean;
  numbers: number;
  block: string;
}

export interface Part {
  part: string;
  parameters: number;
  activations: number;
}

export interface Shapes {
  title: string;
  sizes: Record<string, number>;
  usual: Record<string, number>;
  tensors: Shape[];
  /** How many blocks each that is shown stands for. */
  blocks: Record<string, number>;
  parts: Part[];
  parameters: number;
  activations: number;
  dimensions: Record<string, string>;
}

export interface Models {
  recipes: Record<string, string[]>;
  published: { name: string; title: string }[];
  models: string[];
}

export interface Section {
  block: string;
  count: number;
  weights: Shape[];
  activations: Shape[];
}

/** The pass in its order: what stands outside of blocks, and each block by itself with its weights. */
export function sections(shapes: Shapes): Section[] {
  const found: Section[] = [];
  const weights = shapes.tensors.filter((shape) => shape.kind !== "activation");
  for (const shape of shapes.tensors) {
    if (shape.kind !== "activation") continue;
    if (found.at(-1)?.block !== shape.block) {
      found.push({
        block: shape.block,
        count: shapes.blocks[shape.block] ?? 1,
        weights: shape.block ? weights.filter((weight) => weight.block === shape.block) : [],
        activations: [],
      });
    }
    found.at(-1)?.activations.push(shape);
  }
  return found;
}

const BESIDE = /^(targets|labels|verdict)/; // what the model is told, and what is read off its output

/** The pass at a glance: what flows from part to part, of each block its last tensor. */
export function stations(shapes: Shapes): { shape: Shape; count: number }[] {
  return sections(shapes).flatMap(({ block, count, activations }) => {
    const flowing = activations.filter((shape) => shape.dimensions.includes("batch") && !shape.moved && !BESIDE.test(shape.name));
    const chosen = block ? flowing.slice(-1) : flowing;
    return chosen.map((shape) => ({ shape, count }));
  });
}

/** The dimensions in the order in which the pass meets them; those that weights alone have come last. */
export function inOrder(shapes: Shapes): string[] {
  const met = shapes.tensors.filter((shape) => shape.kind === "activation").flatMap((shape) => shape.dimensions);
  return [...new Set([...met, ...Object.keys(shapes.dimensions)])];
}

/** The last part of a tensor's name, and what stands before it inside its block. */
export function shortName(shape: Shape): { before: string; last: string } {
  const inside = shape.block ? shape.name.slice(shape.block.length + 1) : shape.name;
  const dot = inside.lastIndexOf(".");
  return { before: inside.slice(0, dot + 1), last: inside.slice(dot + 1) };
}

/** How long a side is drawn: sizes from 1 to a million have to stand side by side, so by the logarithm. */
export function side(size: number, unit = 8): number {
  return 6 + unit * Math.log2(Math.max(size, 1));
}

export interface Edge {
  dimension: string;
  size: number;
  from: [number, number];
  to: [number, number];
}

export interface Drawn {
  width: number;
  height: number;
  front: { x: number; y: number; width: number; height: number };
  /** Corners of the faces behind the front one, nearest first. */
  sheets: [number, number][];
  edges: Edge[];
}

const SLANT = 0.42;

/** A tensor as a box: the last two dimensions are its front, those before them go into the depth. */
export function drawn(dimensions: string[], sizes: number[], unit = 8): Drawn {
  const named = sizes.map((size, axis) => ({ dimension: dimensions[axis] ?? "", size }));
  const columns = named.at(-1);
  const rows = named.length > 1 ? named.at(-2) : undefined;
  const deep = named.slice(0, -2).reverse();
  const width = columns ? side(columns.size, unit) : 8;
  const height = rows ? side(rows.size, unit) : 8;
  const steps = deep.map(({ size }) => SLANT * side(size, unit));
  const depth = steps.reduce((sum, step) => sum + step, 0);
  const front = { x: 0, y: depth, width, height };
  const edges: Edge[] = [];
  if (rows) edges.push({ ...rows, from: [0, depth], to: [0, depth + height] });
  if (columns) edges.push({ ...columns, from: [0, depth + height], to: [width, depth + height] });
  let gone = 0;
  const sheets: [number, number][] = [];
  deep.forEach((one, at) => {
    const step = steps[at] ?? 0;
    edges.push({ ...one, from: [width + gone, depth + height - gone], to: [width + gone + step, depth + height - gone - step] });
    const count = Math.min(one.size, 4);
    for (let sheet = 1; sheet <= count; sheet++) if (one.size > 1) sheets.push([gone + (step * sheet) / count, gone + (step * sheet) / count]);
    gone += step;
  });
  return { width: width + depth, height: height + depth, front, sheets, edges };
}

const NICE = [1, 1.5];

/** The steps of a size's slider: powers of two and what lies half-way, with the sizes that are meant to be met exactly. */
export function steps(least: number, most: number, ...exact: number[]): number[] {
  const found = new Set(exact.filter((size) => size >= least && size <= most));
  for (let power = 1; power <= most; power *= 2) for (const factor of NICE) if (Number.isInteger(power * factor)) found.add(power * factor);
  if (most <= 32) for (let size = least; size <= most; size++) found.add(size);
  return [...found].filter((size) => size >= least && size <= most).sort((a, b) => a - b);
}

const RANGES: Record<string, [number, number]> = {
  batch: [1, 1024], position: [1, 131_072], source: [1, 4096], context: [2, 131_072], model: [2, 16_384], head: [1, 128], key_head: [1, 128], channel: [1, 512],
  hidden: [1, 65_536], blocks: [1, 128], encoder_blocks: [1, 32], decoder_blocks: [1, 32], vocab: [2, 262_144], source_vocab: [2, 262_144], type: [1, 8],
  row: [4, 128], column: [4, 128], class: [2, 1024], digits: [1, 18],
};

export function rangeOf(name: string): [number, number] {
  return RANGES[name] ?? (name.startsWith("maps") ? [1, 512] : [1, 4096]);
}

/** Sizes as they stand in the address: `head:8,position:64`. */
export function sizesText(sizes: Record<string, number>): string {
  return Object.entries(sizes).map(([name, size]) => `${name}:${size}`).join(",");
}

export function readSizes(text: string | undefined): Record<string, number> {
  const found: Record<string, number> = {};
  for (const part of (text ?? "").split(",")) {
    const [name = "", size = ""] = part.split(":");
    if (/^[a-z_0-9]+$/.test(name) && /^\d{1,7}$/.test(size)) found[name] = Number(size);
  }
  return found;
}

/** A large count in words: `124.4 million`. */
export function counted(count: number, language: string): string {
  if (count < 1e6) return whole(count, language);
  return new Intl.NumberFormat(language, { notation: "compact", compactDisplay: "long", maximumSignificantDigits: 4 }).format(count);
}

export function whole(count: number, language: string): string {
  return new Intl.NumberFormat(language).format(count);
}

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Bytes of so many numbers with four bytes each. */
export function bytes(numbers: number, language: string): string {
  let size = 4 * numbers;
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) [size, unit] = [size / 1000, unit + 1];
  return `${new Intl.NumberFormat(language, { maximumSignificantDigits: 3 }).format(size)} ${UNITS[unit]}`;
}
