/** Colours as every reader of SVG knows them: `rgb(…)`, with the opacity for itself. */

export interface Ink {
  colour: string;
  opacity: number;
}

const known = new Map<string, Ink>();
let context: CanvasRenderingContext2D | null | undefined;

/** A computed colour, also one of `color(srgb …)` or `oklab(…)`; `opacity` 0 where there is none. */
export function inkOf(computed: string): Ink {
  const found = known.get(computed) ?? painted(computed);
  known.set(computed, found);
  return found;
}

function painted(computed: string): Ink {
  const plain = /^rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?\)$/.exec(computed);
  if (plain) return { colour: `rgb(${plain[1]},${plain[2]},${plain[3]})`, opacity: Number(plain[4] ?? 1) };
  if (computed === "none" || computed === "transparent") return { colour: "none", opacity: 0 };
  context ??= document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  if (!context) return { colour: computed, opacity: 1 };
  context.clearRect(0, 0, 1, 1);
  context.fillStyle = computed;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
  return { colour: `rgb(${red},${green},${blue})`, opacity: Math.round((100 * (alpha ?? 0)) / 255) / 100 };
}
