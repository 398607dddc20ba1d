/** A formula as a tree of MathML elements. */

export interface Node {
  tag: string;
  children: (Node | string)[];
  attributes?: Record<string, string>;
}

export const make = (tag: string, ...children: (Node | string)[]): Node => ({ tag, children });
export const row = (children: Node[]): Node => (children.length === 1 ? (children[0] as Node) : make("mrow", ...children));
export const operator = (sign: string): Node => make("mo", sign);
export const GAP: Node = { tag: "mspace", children: [], attributes: { width: "0.3em" } };

/** All signs of a tree, in order: what is read out, and what a test compares. */
export function textOf(node: Node | string): string {
  return typeof node === "string" ? node : node.children.map(textOf).join("");
}
