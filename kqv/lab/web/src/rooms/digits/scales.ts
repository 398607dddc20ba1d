/** From numbers to colours: probabilities on a scale fixed from 0 to 1, signed values about zero, others from 0 up. */

export type Scale = "unit" | "signed" | "positive" | "ink";
type Colour = [number, number, number];

/** The page's colours as they are now, light or dark. */
export interface Palette {
  negative: Colour;
  zero: Colour;
  positive: Colour;
  probability0: Colour;
  probability1: Colour;
}

function colour(name: string): Colour {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color.match(/[\d.]+/g)?.map(Number) ?? [];
  probe.remove();
  return [found[0] ?? 0, found[1] ?? 0, found[2] ?? 0];
}

export function palette(): Palette {
  return {
    negative: colour("--negative"),
    zero: colour("--zero"),
    positive: colour("--positive"),
    probability0: colour("--probability-0"),
    probability1: colour("--probability-1"),
  };
}

function between(from: Colour, to: Colour, part: number): Colour {
  return [0, 1, 2].map((at) => from[at]! + (to[at]! - from[at]!) * part) as Colour;
}

/** The colour of a number on a scale that ends at `most`. */
export function paint(value: number, scale: Scale, most: number, colours: Palette): Colour {
  if (!Number.isFinite(value)) return [200, 0, 200];
  if (scale === "ink") {
    const grey = 255 * Math.min(Math.max(value / most, 0), 1);
    return [grey, grey, grey];
  }
  const part = Math.min(Math.abs(value) / (most || 1), 1);
  if (scale === "signed") return between(colours.zero, value < 0 ? colours.negative : colours.positive, part);
  return between(colours.probability0, colours.probability1, value < 0 ? 0 : part);
}

/** Black or white, whichever can be read better on a colour (WCAG 2's contrast). */
export function inkOn([red, green, blue]: Colour): string {
  const linear = (part: number) => (part <= 10.31 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  const light = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  return light > 0.179 ? "#000000" : "#ffffff";
}

export function largest(values: Float32Array | undefined): number {
  let found = 0;
  for (const value of values ?? []) if (Math.abs(value) > found && Number.isFinite(value)) found = Math.abs(value);
  return found;
}

/** Tells when the page turns light or dark, so that canvases can be painted anew. */
export function onThemeChange(hear: () => void): () => void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const observer = new MutationObserver(hear);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  dark.addEventListener("change", hear);
  return () => {
    observer.disconnect();
    dark.removeEventListener("change", hear);
  };
}
