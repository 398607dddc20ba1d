/** Any part of the page as one SVG: its drawings, canvases, texts, lines and papers, with their colours as they are. */

const SVG = "http://www.w3.org/2000/svg";
const NONE = "rgba(0, 0, 0, 0)";

interface Origin {
  left: number;
  top: number;
}

function element(name: string, attributes: Record<string, string | number>): SVGElement {
  const found = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, String(value));
  return found;
}

/** The picture of an element, as it is seen; what is marked `data-no-picture` is left out. */
export function pictureOf(root: HTMLElement): SVGSVGElement {
  const box = root.getBoundingClientRect();
  const margin = 16;
  const [width, height] = [Math.ceil(box.width) + 2 * margin, Math.ceil(box.height) + 2 * margin];
  const svg = element("svg", { width, height, viewBox: `0 0 ${width} ${height}` }) as SVGSVGElement;
  const paper = getComputedStyle(document.body).backgroundColor;
  svg.append(element("rect", { width, height, fill: paper === NONE ? "#ffffff" : paper }));
  draw(root, svg, { left: box.left - margin, top: box.top - margin });
  return svg;
}

export function textOfPicture(svg: SVGSVGElement): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(svg)}\n`;
}

/** The same as a PNG, twice as fine. */
export async function pngOf(svg: SVGSVGElement, times = 2): Promise<Blob> {
  const address = URL.createObjectURL(new Blob([textOfPicture(svg)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width * times, image.height * times];
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((done, failed) => canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("the picture is empty"))), "image/png"));
  } finally {
    URL.revokeObjectURL(address);
  }
}

function draw(node: Element, into: SVGElement, origin: Origin): void {
  const style = getComputedStyle(node);
  if (style.display === "none" || style.visibility === "hidden" || style.opacity === "0") return;
  if (node.matches("[data-no-picture], .hidden, button, select, input, textarea") && !node.matches("[data-in-picture]")) return;
  const box = node.getBoundingClientRect();
  if (node instanceof SVGSVGElement) {
    const copy = node.cloneNode(true) as SVGSVGElement;
    styled(node, copy);
    for (const [key, value] of Object.entries({ x: box.left - origin.left, y: box.top - origin.top, width: box.width, height: box.height })) copy.setAttribute(key, String(value));
    into.append(copy);
    return;
  }
  paper(style, box, into, origin);
  if (node instanceof HTMLCanvasElement) {
    if (node.width && node.height)
      into.append(element("image", { x: box.left - origin.left, y: box.top - origin.top, width: box.width, height: box.height, href: node.toDataURL("image/png"), "image-rendering": "pixelated" }));
    return;
  }
  for (const child of node.childNodes) {
    if (child instanceof Text) write(child, style, into, origin);
    else if (child instanceof Element) draw(child, into, origin);
  }
}

/** An element's paper and its lines. */
function paper(style: CSSStyleDeclaration, box: DOMRect, into: SVGElement, origin: Origin): void {
  const at = { x: box.left - origin.left, y: box.top - origin.top, width: box.width, height: box.height };
  if (style.backgroundColor !== NONE) into.append(element("rect", { ...at, fill: style.backgroundColor, rx: parseFloat(style.borderTopLeftRadius) || 0 }));
  for (const [side, x1, y1, x2, y2] of [
    ["Top", at.x, at.y, at.x + at.width, at.y], ["Bottom", at.x, at.y + at.height, at.x + at.width, at.y + at.height],
    ["Left", at.x, at.y, at.x, at.y + at.height], ["Right", at.x + at.width, at.y, at.x + at.width, at.y + at.height],
  ] as const) {
    const thick = parseFloat(style[`border${side}Width`]);
    if (thick && style[`border${side}Style`] !== "none" && style[`border${side}Color`] !== NONE)
      into.append(element("line", { x1, y1, x2, y2, stroke: style[`border${side}Color`], "stroke-width": thick }));
  }
}

/** A text line by line, where it stands. */
function write(text: Text, style: CSSStyleDeclaration, into: SVGElement, origin: Origin): void {
  const content = text.data;
  if (!content.trim()) return;
  const range = document.createRange();
  const isUpright = style.writingMode.startsWith("vertical");
  let start = 0;
  for (const end of ends(text, range, isUpright)) {
    range.setStart(text, start);
    range.setEnd(text, end);
    const box = range.getBoundingClientRect();
    const words = content.slice(start, end).replace(/\s+/g, " ").trim();
    start = end;
    if (!words || !box.width) continue;
    const size = parseFloat(style.fontSize);
    const at: Record<string, string | number> = isUpright
      ? { transform: `translate(${box.left - origin.left + box.width / 2 + size * 0.34} ${box.bottom - origin.top}) rotate(-90)` }
      : { x: box.left - origin.left, y: box.top - origin.top + box.height / 2 + size * 0.35 };
    const found = element("text", { ...at, fill: style.color, "font-size": size, "font-family": style.fontFamily, "font-weight": style.fontWeight, "font-style": style.fontStyle });
    found.textContent = words;
    into.append(found);
  }
}

/** Where the lines of a text end. */
function ends(text: Text, range: Range, isUpright: boolean): number[] {
  const found: number[] = [];
  let line = NaN;
  for (let at = 0; at < text.length; at++) {
    range.setStart(text, at);
    range.setEnd(text, at + 1);
    const box = range.getBoundingClientRect();
    if (!box.width && !box.height) continue;
    const here = isUpright ? box.left : box.top;
    if (Number.isNaN(line)) line = here;
    if (Math.abs(here - line) > 4) {
      found.push(at);
      line = here;
    }
  }
  return [...found, text.length];
}

const KEPT = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity", "font-size", "font-family", "font-weight", "text-anchor", "dominant-baseline"];

/** Give a copy of a drawing the colours and sizes that the page's style sheets give the original. */
function styled(from: Element, to: Element): void {
  const style = getComputedStyle(from);
  for (const name of KEPT) to.setAttribute(name, style.getPropertyValue(name));
  to.removeAttribute("style");
  to.removeAttribute("class");
  [...from.children].forEach((child, at) => styled(child, to.children[at] as Element));
}
