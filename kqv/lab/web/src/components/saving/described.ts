/**
 * Pictures that can say what they show: their numbers, and what sums them up. A saved view draws them as real cells and
 * adds them as tables; a part of the page that cannot say it is drawn as it is seen.
 *
 *     <div {@attach describes(() => ({ label, sentence, rows, columns, … }))}> <canvas> … </div>
 */

import type { Colour } from "../scale";

export interface Described {
  label: string;
  /** What sums it up. */
  sentence: string;
  rows: number;
  columns: number;
  rowName: string;
  columnName: string;
  /** What a row or a column is called; its number, where it has no name. */
  row: (at: number) => string;
  column: (at: number) => string;
  value: (row: number, column: number) => number | undefined;
  /** Of a picture that is a canvas: its cells, in parts of its size. */
  cells?: () => CellGrid | undefined;
}

export interface CellGrid {
  width: number;
  height: number;
  cells: { x: number; y: number; width: number; height: number; colour: Colour }[];
}

const known = new WeakMap<Element, () => Described | undefined>();

/** An attachment: what the element shows, asked for when it is saved. */
export function describes(what: () => Described | undefined): (element: Element) => () => void {
  return (element) => {
    known.set(element, what);
    return () => void known.delete(element);
  };
}

export function descriptionOf(element: Element): Described | undefined {
  return known.get(element)?.();
}

/** The cells of a canvas, where the picture that it belongs to can say them and they are few enough. */
export function cellsOf(canvas: HTMLCanvasElement): CellGrid | undefined {
  for (let around: Element | null = canvas.parentElement; around; around = around.parentElement) {
    const what = known.get(around);
    if (what) return canvas.matches("[data-cells]") ? what()?.cells?.() : undefined;
  }
  return undefined;
}

/** Cells of a regular grid, each its colour; those of one colour that are beside each other become one. */
export function regular(rows: number, columns: number, colour: (row: number, column: number) => Colour): CellGrid {
  const cells: CellGrid["cells"] = [];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) cells.push({ x: column, y: row, width: 1, height: 1, colour: colour(row, column) });
  return { width: columns, height: rows, cells };
}
