/** How large a heat map's cells are, how many of them are seen at once, and where its words stand. */

export interface Layout {
  /** Side of a cell in CSS pixels: its width and its height. */
  width: number;
  height: number;
  /** So many rows and columns are seen. */
  rows: number;
  columns: number;
  /** Room for the words of rows at the left, and of columns above. */
  left: number;
  top: number;
  isWindow: boolean;
}

export interface Room {
  rows: number;
  columns: number;
  /** What the page gives: a width, and a height that the cells may take. */
  width: number;
  height: number;
  /** The largest side of a cell. */
  largest: number;
  /** Letters of the longest words. */
  rowWords: number;
  columnWords: number;
}

const SMALLEST = 6; // a cell that can be hit with a finger's edge or a mouse
const READABLE = 13; // a cell beside which a word can stand
const IN_WINDOW = 14;
const LETTER = 6.6;
const MOST_WORD = 104;

/** All cells where they fit; else a window of cells that are large enough to be chosen. */
export function layout(room: Room): Layout {
  const words = room.rowWords ? Math.min(MOST_WORD, Math.ceil(room.rowWords * LETTER) + 10) : 0;
  const fits = (width: number) => Math.floor(width / Math.max(room.columns, 1)) >= SMALLEST;
  const left = fits(room.width) && !fits(room.width - words) ? 0 : words; // rather all cells than their rows' words
  const top = room.columnWords ? Math.min(MOST_WORD, Math.ceil(room.columnWords * LETTER) + 16) : 0;
  const free = Math.max(room.width - left, 60);
  const across = Math.floor(free / Math.max(room.columns, 1));
  const down = Math.floor(room.height / Math.max(room.rows, 1));
  const side = Math.min(room.largest, across, room.rows === 1 ? room.largest : down);
  const isWindow = side < SMALLEST;
  const cell = isWindow ? Math.min(IN_WINDOW, room.largest) : Math.max(side, 1);
  // few rows of narrow cells may be higher than wide, so that words can stand beside them
  const wanted = room.rows === 1 ? 24 : cell < READABLE ? READABLE + 3 : 0;
  const height = Math.max(cell, Math.min(room.largest, wanted, down));
  const isReadable = cell >= READABLE;
  return {
    width: cell,
    height,
    rows: Math.max(1, Math.min(room.rows, Math.floor(room.height / height))),
    columns: Math.max(1, Math.min(room.columns, Math.floor(free / cell))),
    left: room.rows > 1 && height >= READABLE ? left : 0,
    top: isReadable ? top : 0,
    isWindow,
  };
}

/** The longest word of some positions, in letters. */
export function longest(label: ((at: number) => string) | undefined, count: number): number {
  let found = 0;
  for (let at = 0; label && at < Math.min(count, 400); at++) found = Math.max(found, label(at).length);
  return Math.min(found, 16);
}
