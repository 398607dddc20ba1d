/** The lines of a formula that are not letters: fraction bars and roots. */

import { type Box } from "./edges";
import { element, paint } from "./svg";

export function mathLines(node: Element, colour: string, boxOf: (child: Element) => Box): SVGElement[] {
  const name = node.localName;
  if (name !== "mfrac" && name !== "msqrt" && name !== "mroot") return [];
  const stroke = { ...paint("stroke", colour), "stroke-width": 1, fill: "none" };
  const [first, second] = node.children;
  const whole = boxOf(node);
  if (name === "mfrac") {
    if (!first || !second) return [];
    const y = (boxOf(first).y + boxOf(first).height + boxOf(second).y) / 2;
    return [element("line", { x1: whole.x, x2: whole.x + whole.width, y1: y, y2: y, ...stroke })];
  }
  if (!first) return [];
  const [left, bottom] = [boxOf(first).x, whole.y + whole.height - 1];
  return [element("path", { d: `M${left - 8} ${bottom - whole.height * 0.4}l2 -1l3 ${whole.height * 0.4}L${left - 1} ${whole.y + 1}H${whole.x + whole.width}`, ...stroke })];
}
