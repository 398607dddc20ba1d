/** Where a long formula may be broken. */

import { GAP, make, textOf, type Node } from "./nodes";
import { PRODUCTS, RELATIONS, SUMS } from "./signs";

/** A formula's parts between commas outside of all brackets: what may stand on lines of their own. */
export function clauses(text: string): string[] {
  const found: string[] = [""];
  let depth = 0;
  for (const part of text.split(/(, |[()[\]])/)) {
    if ("([".includes(part) && part) depth++;
    if (")]".includes(part) && part) depth--;
    if (part === ", " && depth === 0) found.push("");
    else found[found.length - 1] += part;
  }
  return found;
}

const LONG = 16; // signs

/** A clause in pieces between which a line may end: at words, before = and +, and in a long product before ·. */
export function pieces(tree: Node): Node[] {
  const found: Node[][] = [[]];
  for (const child of tree.children as Node[]) {
    const piece = found.at(-1) as Node[];
    const sign = child.tag === "mo" && typeof child.children[0] === "string" ? child.children[0] : "";
    const isLong = textOf(make("mrow", ...piece)).length > LONG;
    if (child === GAP) found.push([GAP]);
    else if (piece.some((one) => one !== GAP) && child.attributes?.["form"] !== "prefix" && (RELATIONS.has(sign) || SUMS.has(sign) || (isLong && PRODUCTS.has(sign))))
      found.push([{ ...child, attributes: { ...child.attributes, form: "infix" } }]);
    else piece.push(child);
  }
  return found.filter((piece) => piece.some((child) => child !== GAP)).map((piece) => make("mrow", ...piece));
}
