/**
 * A view as one HTML file that needs nothing else: no script, no request, no lab. It has the view as it was seen, the
 * numbers of its pictures as tables, and where it came from.
 */

import { language, t, written } from "../../texts.svelte";
import { cellsOf, descriptionOf, type Described } from "./described";
import { fieldText, isLeftOut, isSeen, writable } from "./kept";
import { RENAMED, styleText } from "./styles";
import { cellPicture } from "./svg";
import { texts } from "./texts";

export interface Facts {
  title: string;
  address: string;
  version: string;
  date: Date;
  /** What else its foot tells: a name and what it is. */
  about: [string, string][];
}

export function pageOf(root: Element, facts: Facts): string {
  const words = t(texts);
  const page = document.implementation.createHTMLDocument(facts.title);
  const main = page.createElement("main");
  const tables: Described[] = [];
  for (const child of root.children) main.append(...copies(child, page, tables));
  page.documentElement.lang = language();
  page.documentElement.dataset["theme"] = matchesDark() ? "dark" : "light";
  page.head.prepend(
    meta(page, { charset: "utf-8" }), meta(page, { name: "viewport", content: "width=device-width, initial-scale=1" }),
    meta(page, { "http-equiv": "Content-Security-Policy", content: "default-src 'none'; style-src 'unsafe-inline'; img-src data:" }),
  );
  page.body.className = "saved";
  main.append(...numbers(tables, page));
  page.body.append(main, foot(facts, page));
  main.before(made(page, "header", {}, made(page, "b", {}, "kqv lab")));
  // the lab's own policy lets no script write a style sheet, so it is added as text
  const style = `<style>\n${BASE}\n${styleText(root)}\n${OWN}</style>`;
  return `<!doctype html>\n${writable(page.documentElement.outerHTML).replace("</head>", () => `${style}</head>`)}\n`;

  function foot(of: Facts, on: Document): HTMLElement {
    const link = made(on, "a", { href: of.address }, of.address);
    const entries: [string, (string | Node)[]][] = [
      ...of.about.map(([name, text]): [string, string[]] => [name, [text]]),
      [words.saved, [new Intl.DateTimeFormat(language(), { dateStyle: "long", timeStyle: "short" }).format(of.date)]],
      [words.version, [`kqv ${of.version}`]],
      [words.address, [link, ` (${words.addressHint})`]],
    ];
    return made(on, "footer", {}, made(on, "dl", {}, ...entries.map(([name, text]) => made(on, "div", {}, made(on, "dt", {}, name), made(on, "dd", {}, ...text)))));
  }
}

const BASE = "x-button,x-select,x-input,x-textarea,x-canvas{display:inline-block}"; // as browsers show what they stand for

const OWN = `
x-button,x-canvas{cursor:default}
x-canvas>svg{display:block;width:100%;height:100%}
.saved x-select,.saved x-input,.saved x-textarea{border-style:dotted;white-space:pre-wrap;height:auto}
.saved x-input:is([type=radio],[type=checkbox]){border:0;padding:0;min-height:0;background:none}
.saved>header,.saved>main,.saved>footer{max-width:var(--column);margin:0 auto;padding:var(--gap-4) clamp(var(--gap-3),3vw,var(--gap-6))}
.saved>header{color:var(--ink-soft);font-size:var(--small);padding-bottom:0}
.saved>header b{color:var(--accent)}
.saved>footer{border-top:1px solid var(--line);font-size:var(--small);color:var(--ink-soft);margin-top:var(--gap-5)}
.saved>footer dl{display:grid;gap:var(--gap-1);margin:0}
.saved>footer dl>div{display:grid;grid-template-columns:minmax(9rem,auto) minmax(0,1fr);gap:var(--gap-3)}
.saved>footer dt{font-weight:600}
.saved>footer dd{margin:0;overflow-wrap:anywhere}
.saved .numbers-of{border-top:1px solid var(--line);margin-top:var(--gap-6);padding-top:var(--gap-5)}
.saved .numbers-of details{margin-top:var(--gap-2)}
.saved .numbers-of summary{cursor:pointer}
.saved .numbers-of .table{overflow-x:auto;margin-top:var(--gap-2)}
.saved .numbers-of table{font-size:.75rem}
.saved .numbers-of :is(th,td){text-align:end;white-space:nowrap;padding:.15rem .5rem}
@media(max-width:700px){.saved>main>*{overflow-x:auto}}
@media print{.saved>header{display:none}}
`;

const matchesDark = () => getComputedStyle(document.body).colorScheme === "dark" || document.documentElement.dataset["theme"] === "dark" || (!document.documentElement.dataset["theme"] && matchMedia("(prefers-color-scheme: dark)").matches);

function made(page: Document, tag: string, attributes: Record<string, string> = {}, ...content: (string | Node)[]): HTMLElement {
  const found = page.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
  found.append(...content);
  return found;
}

const meta = (page: Document, attributes: Record<string, string>) => made(page, "meta", attributes);

const ROLES = new Set(["grid", "row", "gridcell", "option", "listbox", "tab", "tablist", "treeitem", "tree", "textbox", "presentation"]);
const DROPPED = /^(on|tabindex$|contenteditable|aria-(activedescendant|selected|pressed|expanded|rowcount|colcount|rowindex|colindex|live|busy|disabled|value.*|controls|readonly|multiline)$|title$|disabled$|href$|for$|type$|name$|value$|placeholder$|maxlength$|pattern$|required$|inputmode$|min$|max$|step$|rows$)/;
const KEPT_OF_PROGRESS = new Set(["value", "max"]);

/** What becomes of an element: its copy, without what acts; nothing, or several where it is left out itself. */
function copies(node: Element, page: Document, tables: Described[]): Node[] {
  const style = getComputedStyle(node);
  if (isLeftOut(node) || !isSeen(style)) return [];
  const described = descriptionOf(node);
  if (described) tables.push(described);
  if (!(node instanceof HTMLElement)) return [page.importNode(node, true)];
  const tag = node.localName;
  const isRenamed = RENAMED.includes(tag);
  const copy = page.createElement(isRenamed ? `x-${tag}` : tag);
  attributes(node, copy, isRenamed);
  opened(node, style, copy);
  const field = fieldText(node);
  if (node instanceof HTMLCanvasElement) {
    if (node.width && node.height) copy.append(page.importNode(drawing(node), true));
  } else if (field !== undefined) copy.append(field);
  else
    for (const child of node.childNodes) {
      if (child instanceof Text) copy.append(child.data);
      else if (child instanceof Element) copy.append(...copies(child, page, tables));
    }
  const named = node.getAttribute("aria-label");
  if (isRenamed && named && !copy.textContent) copy.append(made(page, "span", { class: "hidden" }, named));
  return [copy];
}

function attributes(node: HTMLElement, copy: HTMLElement, isRenamed: boolean): void {
  const role = node.getAttribute("role");
  const isPicture = role === "slider" || (role === "grid" && !node.matches("table") && node.querySelector("canvas") !== null);
  const isPlain = isRenamed || (role !== null && ROLES.has(role) && !isPicture);
  for (const { name, value } of node.attributes) {
    const isKept = (node instanceof HTMLProgressElement && KEPT_OF_PROGRESS.has(name)) || (name === "type" && node instanceof HTMLInputElement);
    if ((DROPPED.test(name) && !isKept) || (isPlain && (name === "role" || name.startsWith("aria-"))) || (name === "role" && isPicture)) continue;
    if (name === "style") copy.style.cssText = node.style.cssText; // as an attribute the lab's policy refuses it
    else copy.setAttribute(name, value);
  }
  if (role !== null) copy.dataset["role"] = role;
  for (const name of ["pressed", "selected", "expanded"]) {
    const value = node.getAttribute(`aria-${name}`);
    if (value !== null) copy.setAttribute(`data-${name}`, value);
  }
  if (isPicture) {
    copy.setAttribute("role", "img");
    copy.setAttribute("aria-label", [node.getAttribute("aria-label"), node.getAttribute("aria-valuetext")].filter(Boolean).join(". "));
  }
  if (role === "grid" && node.matches("table") && node.hasAttribute("aria-label")) copy.setAttribute("aria-label", node.getAttribute("aria-label") ?? "");
  if (node instanceof HTMLDetailsElement && node.open) copy.setAttribute("open", "");
}

/** A file is read from top to bottom: nothing stays in the window's corner, and nothing but wide tables is scrolled. */
function opened(node: HTMLElement, style: CSSStyleDeclaration, copy: HTMLElement): void {
  if (style.position === "sticky" || style.position === "fixed") Object.assign(copy.style, { position: "static", maxHeight: "none", height: "auto", boxShadow: "none" });
  // where a column of controls is left out, the others take its room
  if (style.display.endsWith("grid") && [...node.children].some((child) => child.matches("nav, [data-unsaved]"))) copy.style.gridTemplateColumns = "minmax(0, 1fr)";
  if (/auto|scroll/.test(style.overflowY) && style.maxHeight !== "none") copy.style.maxHeight = "none";
  if (/auto|scroll/.test(style.overflowX) && node.scrollWidth >= node.clientWidth) copy.tabIndex = 0;
}

function drawing(canvas: HTMLCanvasElement): SVGElement {
  const size = { width: canvas.width, height: canvas.height };
  const grid = cellsOf(canvas);
  const found = cellPicture(canvas, grid, { x: 0, y: 0, ...size });
  if (found.localName === "svg") return found;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.append(found);
  return svg;
}

const MOST_ROWS = 100;
const MOST_COLUMNS = 64;

function numbers(found: Described[], page: Document): HTMLElement[] {
  if (!found.length) return [];
  const words = t(texts);
  const parts = found.map((one) => {
    const [rows, columns] = [Math.min(one.rows, MOST_ROWS), Math.min(one.columns, MOST_COLUMNS)];
    const isCut = rows < one.rows || columns < one.columns;
    return made(
      page, "details", {}, made(page, "summary", {}, one.label), made(page, "p", { class: "small" }, one.sentence),
      made(page, "div", { class: "table", tabindex: "0", role: "group", "aria-label": one.label }, table(one, rows, columns, page)), ...(isCut ? [made(page, "p", { class: "small soft" }, words.cut(rows, columns))] : []),
    );
  });
  return [made(page, "section", { class: "numbers-of" }, made(page, "h2", {}, words.numbers), ...parts)];
}

function table(one: Described, rows: number, columns: number, page: Document): HTMLElement {
  const list = (count: number) => Array.from({ length: count }, (_, at) => at);
  const head = made(page, "tr", {}, made(page, "th", { scope: "col" }, `${one.rowName} \\ ${one.columnName}`), ...list(columns).map((at) => made(page, "th", { scope: "col" }, one.column(at))));
  const body = list(rows).map((row) => made(page, "tr", {}, made(page, "th", { scope: "row" }, one.row(row)), ...list(columns).map((column) => made(page, "td", {}, writtenCell(one.value(row, column))))));
  return made(page, "table", { class: "number" }, made(page, "thead", {}, head), made(page, "tbody", {}, ...body));
}

const writtenCell = (value: number | undefined) => (value === undefined ? "" : written(value, 6));
