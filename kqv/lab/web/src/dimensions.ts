/** One colour for each dimension, everywhere; the names are those of `kqv/dimensions.py`. Pairs: light, dark. */
const COLOURS: Record<string, [string, string]> = {
  batch: ["#6b6f78", "#969aa3"],
  position: ["#1f5fa8", "#79b4f5"],
  source: ["#5b4bb3", "#b0a5ff"],
  query: ["#1f5fa8", "#79b4f5"],
  key: ["#0a7d86", "#5fd0d6"],
  head: ["#a8437f", "#f09acb"],
  key_head: ["#8f3f94", "#e0a0e4"],
  group: ["#c0567a", "#ff9fba"],
  channel: ["#a5521a", "#f5a669"],
  model: ["#1d7a4c", "#63cf9a"],
  hidden: ["#7b7413", "#d3ca58"],
  joined: ["#94600f", "#e2b04f"],
  vocab: ["#b3342c", "#ff8f86"],
  source_vocab: ["#c4553f", "#ffa48f"],
  type: ["#6b6f78", "#969aa3"],
  row: ["#1f5fa8", "#79b4f5"],
  column: ["#0a7d86", "#5fd0d6"],
  pixel: ["#3f6f9e", "#93bde8"],
  kernel_row: ["#a8437f", "#f09acb"],
  kernel_column: ["#8f3f94", "#e0a0e4"],
  out_row: ["#3a6ca3", "#8fc0f0"],
  out_column: ["#217880", "#7fdbe0"],
  in: ["#a5521a", "#f5a669"],
  out: ["#1d7a4c", "#63cf9a"],
  class: ["#b3342c", "#ff8f86"],
};

/** The colour of a dimension, in light and dark at once. */
export function colourOf(dimension: string): string {
  const [light, dark] = COLOURS[dimension] ?? ["#6b6f78", "#969aa3"];
  return `light-dark(${light}, ${dark})`;
}

export const DIMENSIONS = Object.keys(COLOURS);
