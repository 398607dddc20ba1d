/** Moving in a grid with the keyboard, after the ARIA grid pattern: arrows, Home and End, Page Up and Page Down. */

export type At = readonly [row: number, column: number];

const between = (value: number, size: number) => Math.max(0, Math.min(size - 1, value));

/** Where a key leads to, or undefined for a key that moves nothing. `page` is how many rows one page has. */
export function moved(key: string, at: At, rows: number, columns: number, page = 10, control = false): At | undefined {
  const [row, column] = at;
  switch (key) {
    case "ArrowUp":
      return [between(control ? 0 : row - 1, rows), column];
    case "ArrowDown":
      return [between(control ? rows - 1 : row + 1, rows), column];
    case "ArrowLeft":
      return [row, between(control ? 0 : column - 1, columns)];
    case "ArrowRight":
      return [row, between(control ? columns - 1 : column + 1, columns)];
    case "Home":
      return control ? [0, 0] : [row, 0];
    case "End":
      return control ? [rows - 1, columns - 1] : [row, columns - 1];
    case "PageUp":
      return [between(row - page, rows), column];
    case "PageDown":
      return [between(row + page, rows), column];
    default:
      return undefined;
  }
}

/** The start of a window of `length` in `size` that shows `at`, moved as little as possible. */
export function shown(start: number, length: number, size: number, at: number): number {
  const wanted = at < start ? at : at >= start + length ? at - length + 1 : start;
  return Math.max(0, Math.min(wanted, size - length));
}
