/** What Tab, Enter and Backspace do in the editor: each gives the text that replaces a range, and what is selected then. */

export interface Edit {
  /** The range that is replaced. */
  from: number;
  to: number;
  text: string;
  /** The selection afterwards. */
  start: number;
  end: number;
}

export const INDENT = "    ";

const lineStart = (text: string, at: number) => text.lastIndexOf("\n", at - 1) + 1;

/** Tab: so many spaces that the next multiple of four is reached; of several selected lines each is moved. */
export function indented(text: string, start: number, end: number): Edit {
  if (!text.slice(start, end).includes("\n")) {
    const spaces = " ".repeat(INDENT.length - ((start - lineStart(text, start)) % INDENT.length));
    return { from: start, to: end, text: spaces, start: start + spaces.length, end: start + spaces.length };
  }
  return lines(text, start, end, (line) => (line ? INDENT + line : line));
}

/** Shift and Tab: up to four spaces fewer before each line. */
export function outdented(text: string, start: number, end: number): Edit {
  return lines(text, start, end, (line) => line.replace(/^ {1,4}/, ""));
}

function lines(text: string, start: number, end: number, change: (line: string) => string): Edit {
  const from = lineStart(text, start);
  const last = end > start && text[end - 1] === "\n" ? end - 1 : end;
  const next = text.indexOf("\n", last);
  const to = next < 0 ? text.length : next;
  const before = text.slice(from, to).split("\n");
  const after = before.map(change);
  const first = (after[0]?.length ?? 0) - (before[0]?.length ?? 0);
  const joined = after.join("\n");
  const grown = joined.length - (to - from);
  return { from, to, text: joined, start: Math.max(from, start + first), end: Math.max(from, end + grown) };
}

/** Enter: as many spaces as the line has that is left, four more after a colon. */
export function newLine(text: string, start: number, end: number): Edit {
  const line = text.slice(lineStart(text, start), start);
  const spaces = /^ */.exec(line)?.[0] ?? "";
  const more = /:\s*(#.*)?$/.test(line) ? INDENT : "";
  const added = `\n${spaces}${more}`;
  return { from: start, to: end, text: added, start: start + added.length, end: start + added.length };
}

/** Backspace behind spaces alone: back to the multiple of four before; undefined where it is an ordinary one. */
export function backspace(text: string, start: number, end: number): Edit | undefined {
  const begin = lineStart(text, start);
  const column = start - begin;
  if (start !== end || column < 2 || text.slice(begin, start).trim() !== "") return undefined;
  const count = column % INDENT.length || INDENT.length;
  return count < 2 ? undefined : { from: start - count, to: start, text: "", start: start - count, end: start - count };
}
