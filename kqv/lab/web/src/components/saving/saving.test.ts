import { describe, expect, it } from "vitest";
import { regular } from "./described";
import { fileName } from "./files";
import { fieldText, isLeftOut, writable } from "./kept";
import { concerns, renamed } from "./styles";
import { cellPicture } from "./svg";

const made = (html: string) => {
  document.body.innerHTML = html;
  return document.body.firstElementChild as HTMLElement;
};

describe("a file's name", () => {
  it("is small letters, digits and hyphens of the parts that are there", () => {
    expect(fileName("kqv", "sentence", undefined, "runs/Größe 2", "Weights: block 0")).toBe("kqv-sentence-runs-große-2-weights-block-0");
    expect(fileName("…")).toBe("kqv");
  });
});

describe("what is saved", () => {
  it("leaves out buttons that act, and keeps what is chosen and what stands in lists and tables", () => {
    expect(isLeftOut(made("<button>Start</button>"))).toBe(true);
    expect(isLeftOut(made("<button aria-pressed='true'>Values</button>"))).toBe(false);
    expect(isLeftOut(made("<ol><li><button>it</button></li></ol>").querySelector("button")!)).toBe(false);
    expect(isLeftOut(made("<p data-unsaved>now</p>"))).toBe(true);
  });
  it("has what stands in fields, and no sign that XML cannot hold", () => {
    expect(fieldText(made("<select><option>a</option><option selected>b</option></select>"))).toBe("b");
    expect(fieldText(made("<p>no field</p>"))).toBeUndefined();
    expect(writable("a\u0000b\u001bc\n")).toBe("a\ufffdb\ufffdc\n");
  });
});

describe("style sheets of a saved view", () => {
  it("are about elements that stand for controls", () => {
    expect(renamed('li button:hover, a.button, .a td[role="gridcell"]')).toBe('li x-button:hover, x-a.button, .a td[data-role="gridcell"]');
    expect(renamed('.kinds button[aria-pressed="true"] canvas')).toBe('.kinds x-button[data-pressed="true"] x-canvas');
    expect(renamed(".button-a .a input:not([type])")).toBe(".button-a .a x-input:not([type])");
  });
  it("keep what all of the page has, and what the components in it have", () => {
    expect(concerns("table", new Set())).toBe(true);
    expect(concerns(".grid.svelte-abc123", new Set(["svelte-abc123"]))).toBe(true);
    expect(concerns(".grid.svelte-abc123", new Set(["svelte-other1"]))).toBe(false);
  });
});

it("cells are rectangles of their colours", () => {
  const grid = regular(2, 3, (row, column) => [row, column, 7]);
  const found = cellPicture(document.createElement("canvas"), grid, { x: 0, y: 0, width: 30, height: 20 });
  expect([...found.children].map((cell) => cell.getAttribute("fill"))).toEqual(["rgb(0,0,7)", "rgb(0,1,7)", "rgb(0,2,7)", "rgb(1,0,7)", "rgb(1,1,7)", "rgb(1,2,7)"]);
  expect(found.getAttribute("viewBox")).toBe("0 0 3 2");
});
