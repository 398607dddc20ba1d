/** An element's paper, its lines and the frames around it, as shapes. */

import { inkOf } from "./colours";
import { element, paint } from "./svg";

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

let gradients = 0;

export function edges(style: CSSStyleDeclaration, box: Box): SVGElement[] {
  const round = Math.min(parseFloat(style.borderTopLeftRadius) || 0, box.height / 2);
  const found = [...frames(style.boxShadow, box, round)];
  if (inkOf(style.backgroundColor).opacity) found.push(element("rect", { ...box, ...paint("fill", style.backgroundColor), rx: round || undefined }));
  if (style.backgroundImage.startsWith("linear-gradient")) found.push(...shaded(style.backgroundImage, box, round));
  return [...found, ...borders(style, box, round)];
}

const SIDES = ["Top", "Right", "Bottom", "Left"] as const;

function borders(style: CSSStyleDeclaration, { x, y, width, height }: Box, round: number): SVGElement[] {
  const lines = SIDES.map((side) => ({
    thick: style[`border${side}Style`] === "none" ? 0 : parseFloat(style[`border${side}Width`]), colour: style[`border${side}Color`], dashed: /dashed|dotted/.test(style[`border${side}Style`]),
  }));
  const seen = lines.map(({ thick, colour }) => thick > 0 && inkOf(colour).opacity > 0);
  const stroke = ({ thick, colour, dashed }: (typeof lines)[number]) => ({ ...paint("stroke", colour), "stroke-width": thick, "stroke-dasharray": dashed ? "4 3" : undefined });
  const [first] = lines;
  if (first && seen.every(Boolean)) {
    const half = first.thick / 2;
    return [element("rect", { x: x + half, y: y + half, width: Math.max(0, width - first.thick), height: Math.max(0, height - first.thick), rx: round || undefined, fill: "none", ...stroke(first) })];
  }
  const ends = [[x, y, x + width, y], [x + width, y, x + width, y + height], [x, y + height, x + width, y + height], [x, y, x, y + height]] as const;
  return ends.flatMap(([x1, y1, x2, y2], at) => (seen[at] ? [element("line", { x1, y1, x2, y2, ...stroke(lines[at]!) })] : []));
}

/** Frames that are written as shadows without blur: `0 0 0 2px`, also inside. */
function frames(shadow: string, { x, y, width, height }: Box, round: number): SVGElement[] {
  const found = [...shadow.matchAll(/(\w+\([^)]*\)) 0px 0px 0px ([\d.]+)px( inset)?/g)].reverse();
  return found.map(([, colour = "", size = "0", inset]) => {
    const [thick, away] = [Number(size), inset ? -Number(size) / 2 : Number(size) / 2];
    return element("rect", {
      x: x - away, y: y - away, width: Math.max(0, width + 2 * away), height: Math.max(0, height + 2 * away), rx: round ? round + Math.max(0, away) : undefined, fill: "none", ...paint("stroke", colour), "stroke-width": thick,
    });
  });
}

/** A gradient from left to right. */
function shaded(image: string, box: Box, round: number): SVGElement[] {
  const colours = [...image.matchAll(/(?:rgba?|color|oklab|oklch)\([^)]*\)/g)].map(([colour]) => colour);
  if (colours.length < 2) return [];
  const id = `gradient-${gradients++}`;
  const gradient = element("linearGradient", { id });
  colours.forEach((colour, at) => gradient.append(element("stop", { offset: at / (colours.length - 1), "stop-color": inkOf(colour).colour })));
  return [gradient, element("rect", { ...box, fill: `url(#${id})`, rx: round || undefined })];
}
