/** Any part of the page as one SVG: its drawings, cells, texts, lines and papers, with their colours as they are. */

import { descriptionOf, cellsOf } from "./described";
import { inkOf } from "./colours";
import { edges, type Box } from "./edges";
import { fieldText, isLeftOut, isSeen, writable } from "./kept";
import { mathLines } from "./mathematics";
import { cellPicture, element, paint, SVG } from "./svg";

interface Origin {
  left: number;
  top: number;
}

const MARGIN = 16;

/** The picture of an element, as it is seen; what is marked `data-unsaved` and buttons that act are left out. */
export function pictureOf(root: Element, title: string, description = ""): SVGSVGElement {
  const box = root.getBoundingClientRect();
  const own = descriptionOf(root);
  const [width, height] = [Math.ceil(Math.max(box.width, root.scrollWidth)) + 2 * MARGIN, Math.ceil(box.height) + 2 * MARGIN];
  const svg = element("svg", { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-labelledby": "title desc" }) as SVGSVGElement;
  svg.append(element("title", { id: "title" }, writable(title)), element("desc", { id: "desc" }, writable([own?.sentence, description].filter(Boolean).join(" "))));
  svg.append(element("rect", { width, height, fill: behind(root) }));
  draw(root, svg, { left: box.left - MARGIN, top: box.top - MARGIN });
  return svg;
}

/** The colour of the paper that an element stands on. */
function behind(root: Element): string {
  for (let at: Element | null = root; at; at = at.parentElement) {
    const paper = inkOf(getComputedStyle(at).backgroundColor);
    if (paper.opacity) return paper.colour;
  }
  return "#ffffff";
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

const boxOf = (node: Element, origin: Origin): Box => {
  const { left, top, width, height } = node.getBoundingClientRect();
  return { x: left - origin.left, y: top - origin.top, width, height };
};

function draw(node: Element, into: SVGElement, origin: Origin): void {
  const style = getComputedStyle(node);
  if (!isSeen(style) || style.opacity === "0" || isLeftOut(node) || node.matches(".hidden")) return;
  const box = boxOf(node, origin);
  const target = style.opacity === "1" ? into : into.appendChild(element("g", { opacity: style.opacity }));
  if (node instanceof SVGSVGElement) return void target.append(copyOf(node, box));
  target.append(...edges(style, box));
  if (node instanceof HTMLCanvasElement) {
    if (node.width && node.height) target.append(cellPicture(node, cellsOf(node), box));
    return;
  }
  const field = fieldText(node);
  if (field !== undefined) return void target.append(...line(field, style, { ...box, x: box.x + (parseFloat(style.paddingLeft) || 0) + 2 }));
  target.append(...mathLines(node, style.color, (child) => boxOf(child, origin)));
  const inside = isCut(node, style) ? target.appendChild(element("svg", { ...box, viewBox: `${box.x} ${box.y} ${box.width} ${box.height}`, overflow: "hidden" })) : target;
  for (const child of node.childNodes) {
    if (child instanceof Text) write(child, style, inside, origin);
    else if (child instanceof Element) draw(child, inside, origin);
  }
}

const isCut = (node: Element, style: CSSStyleDeclaration) =>
  style.overflow !== "visible" && node instanceof HTMLElement && (node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 1);

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
    const { left, top, bottom, width, height } = range.getBoundingClientRect();
    const words = content.slice(start, end).replace(/\s+/g, " ").trim();
    start = end;
    if (!words || !width) continue;
    const size = parseFloat(style.fontSize);
    const isVariable = text.parentElement?.localName === "mi" && [...words].length === 1;
    if (isVariable) into.append(element("text", { x: left - origin.left, y: top - origin.top + height / 2 + size * 0.35, ...lettering(style), "font-style": "italic" }, words));
    else if (!isUpright) into.append(...line(words, style, { x: left - origin.left, y: top - origin.top, width, height }, width));
    else into.append(element("text", { transform: `translate(${left - origin.left + width / 2 + size * 0.34} ${bottom - origin.top}) rotate(-90)`, ...lettering(style) }, writable(words)));
  }
}

function line(words: string, style: CSSStyleDeclaration, box: Box, width?: number): SVGElement[] {
  if (!words) return [];
  // its width is that of the page's own letters: another reader's may be wider
  const fitted = width !== undefined && words.length > 2 ? { textLength: width, lengthAdjust: "spacingAndGlyphs" } : {};
  return [element("text", { x: box.x, y: box.y + box.height / 2 + parseFloat(style.fontSize) * 0.35, ...fitted, ...lettering(style) }, writable(words))];
}

function lettering(style: CSSStyleDeclaration): Record<string, string | number | undefined> {
  return {
    ...paint("fill", style.color), "font-size": parseFloat(style.fontSize), "font-family": style.fontFamily,
    "font-weight": style.fontWeight === "400" ? undefined : style.fontWeight, "font-style": style.fontStyle === "normal" ? undefined : style.fontStyle,
    "text-decoration": style.textDecorationLine === "none" ? undefined : style.textDecorationLine,
  };
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

const PLAIN = ["stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap", "stroke-opacity", "opacity", "font-size", "font-family", "font-weight", "text-anchor", "dominant-baseline"];

/** A drawing with the colours and sizes that the page's style sheets give it. */
function copyOf(drawing: SVGSVGElement, box: Box): SVGElement {
  const copy = drawing.cloneNode(true) as SVGElement;
  styled(drawing, copy);
  for (const name of ["aria-hidden", "tabindex", "aria-label"]) copy.removeAttribute(name);
  for (const [key, value] of Object.entries(box)) copy.setAttribute(key, String(Math.round(value * 100) / 100));
  copy.setAttribute("overflow", "visible");
  return copy;
}

function styled(from: Element, to: Element): void {
  const style = getComputedStyle(from);
  for (const name of PLAIN) to.setAttribute(name, style.getPropertyValue(name));
  for (const which of ["fill", "stroke"] as const)
    for (const [name, value] of Object.entries(paint(which, style.getPropertyValue(which)))) to.setAttribute(name, String(value));
  for (const name of ["style", "class"]) to.removeAttribute(name);
  [...from.children].forEach((child, at) => styled(child, to.children[at] as Element));
}
