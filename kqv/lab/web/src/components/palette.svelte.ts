/** The theme's colours as numbers, for canvases; they change when the theme does. */

import type { Colour, Palette } from "./scale";

const NAMES: Record<keyof Palette, string> = {
  negative: "--negative",
  zero: "--zero",
  positive: "--positive",
  none: "--probability-0",
  certain: "--probability-1",
  masked: "--sunk",
  broken: "--bad",
};

let version = $state(0);
let watching = false;

/** Colours are looked up again: for a theme that does not stand in the document's root. */
export function themeChanged(): void {
  version++;
}

function watch(): void {
  if (watching) return;
  watching = true;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themeChanged);
  new MutationObserver(themeChanged).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "class"] });
}

/**
 * The palette of the theme that is shown; an effect that asks for it runs again when the theme changes. `near`: an element
 * that is drawn with it; where it stands in a shadow tree, the theme is that tree's.
 */
export function palette(near?: Element | null): Palette {
  watch();
  void version;
  const found = Object.entries(NAMES).map(([name, variable]) => [name, resolved(variable, near)]);
  return Object.fromEntries(found) as Palette;
}

/** A colour variable as red, green and blue; only an element's own property says what `light-dark()` comes to. */
export function resolved(variable: string, near?: Element | null): Colour {
  const root = near?.getRootNode();
  const probe = document.createElement("span");
  probe.style.color = `var(${variable})`;
  (root instanceof ShadowRoot ? root : document.body).append(probe);
  const parts = getComputedStyle(probe).color.match(/[\d.]+/g)?.map(Number) ?? [];
  probe.remove();
  return [parts[0] ?? 128, parts[1] ?? 128, parts[2] ?? 128];
}
