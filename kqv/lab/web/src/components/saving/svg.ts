/** Elements of an SVG, made of plain shapes that every reader draws. */

import type { CellGrid } from "./described";
import { inkOf } from "./colours";

export const SVG = "http://www.w3.org/2000/svg";

export function element(name: string, attributes: Record<string, string | number | undefined>, text?: string): SVGElement {
  const found = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) found.setAttribute(key, typeof value === "number" ? String(Math.round(value * 100) / 100) : value);
  if (text !== undefined) found.textContent = text;
  return found;
}

/** `fill` or `stroke` with its opacity, of a computed colour. */
export function paint(which: "fill" | "stroke", computed: string): Record<string, string | number> {
  const { colour, opacity } = inkOf(computed);
  return opacity === 1 ? { [which]: colour } : { [which]: colour, [`${which}-opacity`]: opacity };
}

const MOST_CELLS = 12_000;

/** Cells as rectangles, or as an image where they are too many; in a box of this size. */
export function cellPicture(canvas: HTMLCanvasElement, grid: CellGrid | undefined, box: { x: number; y: number; width: number; height: number }): SVGElement {
  if (!grid || grid.cells.length > MOST_CELLS) {
    const image = element("image", { ...box, href: canvas.toDataURL("image/png"), preserveAspectRatio: "none" });
    image.style.imageRendering = "pixelated";
    return image;
  }
  const found = element("svg", { ...box, viewBox: `0 0 ${grid.width} ${grid.height}`, preserveAspectRatio: "none", "shape-rendering": "crispEdges" });
  for (const { colour, ...cell } of grid.cells) found.append(element("rect", { ...cell, fill: `rgb(${colour.map(Math.round).join()})` }));
  return found;
}
