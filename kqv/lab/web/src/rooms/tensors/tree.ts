/** A trace's tensors by module, and which two dimensions of one are shown. */

import { axisNames, type Phase, type Tensor } from "../../components/trace.svelte";

export interface Module {
  path: string;
  tensors: Tensor[];
}

/** Modules that belong together: a block with all in it, or one module outside of blocks. */
export interface Group {
  name: string;
  modules: Module[];
  /** The block that this one is like. */
  like: string;
}

const BLOCK = /^((?:\w+\.)+?\d+)(\.|$)/;

/** Groups in the order in which the pass meets them; within a module what was computed first, then weights. */
export function grouped(tensors: readonly Tensor[], alike: Record<string, string>, wanted = ""): Group[] {
  const groups = new Map<string, Map<string, Tensor[]>>();
  const inOrder = [...tensors.filter((one) => one.kind === "activation"), ...tensors.filter((one) => one.kind !== "activation")];
  for (const tensor of inOrder) {
    if (wanted && !tensor.name.toLowerCase().includes(wanted.toLowerCase()) && !tensor.symbol.includes(wanted)) continue;
    const path = tensor.module;
    const name = BLOCK.exec(path)?.[1] ?? path.split(".")[0] ?? "";
    const modules = groups.get(name) ?? new Map<string, Tensor[]>();
    groups.set(name, modules.set(path, [...(modules.get(path) ?? []), tensor]));
  }
  return [...groups].map(([name, modules]) => ({
    name,
    like: alike[name] ?? "",
    modules: [...modules].map(([path, found]) => ({ path, tensors: found })),
  }));
}

/** A name within its module. */
export function ownName(tensor: Tensor): string {
  return tensor.module && tensor.name.startsWith(`${tensor.module}.`) ? tensor.name.slice(tensor.module.length + 1) : tensor.name;
}

/** What of a tensor is shown: two of its dimensions as rows and columns, and where the others stand. */
export interface View {
  rows: string;
  columns: string;
  fixed: Record<string, number>;
}

/** The last two dimensions that have more than one position; the others at their first, or where a cell is. */
export function viewOf(tensor: Tensor, index?: readonly number[], old?: View): View {
  const names = axisNames(tensor);
  const wide = names.filter((_, axis) => (tensor.sizes[axis] ?? 0) > 1);
  const keeps = old && wide.includes(old.columns) && (old.rows === "" ? wide.length < 2 : wide.includes(old.rows));
  const columns = keeps ? old.columns : (wide.at(-1) ?? names.at(-1) ?? "");
  const rows = keeps ? old.rows : (wide.at(-2) ?? (names.length > 1 ? (names.filter((name) => name !== columns).at(-1) ?? "") : ""));
  const fixed: Record<string, number> = {};
  names.forEach((name, axis) => {
    if (name !== rows && name !== columns) fixed[name] = index?.[axis] ?? Math.min(old?.fixed[name] ?? 0, (tensor.sizes[axis] ?? 1) - 1);
  });
  return { rows, columns, fixed };
}

/** What is shown and the first cell of its window, as they stand in an address; nothing for what nobody chose. */
export function inAddress(view: View | undefined, [row, column]: readonly [number, number]): Record<string, string | undefined> {
  const fixed = Object.entries(view?.fixed ?? {}).filter(([, at]) => at > 0);
  return {
    rows: view?.rows || undefined,
    columns: view?.columns || undefined,
    at: fixed.map(([name, at]) => `${name}=${at}`).join(",") || undefined,
    from: row || column ? `${row},${column}` : undefined,
  };
}

export function fromAddress({ rows, columns, at, from }: Record<string, string | undefined>): { view: View | undefined; start: [number, number] } {
  const whole = (text: string | undefined) => (/^\d{1,9}$/.test(text ?? "") ? Number(text) : 0);
  const pairs = (at ?? "").split(",").map((pair) => pair.split("=") as [string, string?]);
  const fixed = Object.fromEntries(pairs.filter(([name]) => name).map(([name, position]) => [name, whole(position)]));
  const [row, column] = (from ?? "").split(",");
  return { view: columns ? { rows: rows ?? "", columns, fixed } : undefined, start: [whole(row), whole(column)] };
}

/** The index of a cell that is shown at a row and a column. */
export function indexAt(tensor: Tensor, view: View, row: number, column: number): number[] {
  return axisNames(tensor).map((name) => (name === view.rows ? row : name === view.columns ? column : (view.fixed[name] ?? 0)));
}

/** Where an index stands in a view; undefined where it is not seen. */
export function placed(tensor: Tensor, view: View, index: readonly number[]): [number, number] | undefined {
  let found: [number, number] | undefined = [0, 0];
  axisNames(tensor).forEach((name, axis) => {
    const at = index[axis] ?? 0;
    if (!found) return;
    if (name === view.rows) found[0] = at;
    else if (name === view.columns) found[1] = at;
    else if (view.fixed[name] !== at) found = undefined;
  });
  return found;
}

const PHASE: Record<string, Phase> = { "": "forward", "grad:": "backward", "update:": "update" };

/** A cell's text as tensor, phase and index; undefined where it is not one. */
export function readCell(text: string): { tensor: string; phase: Phase; index: number[] } | undefined {
  const found = /^(grad:|update:)?([^[\]:]+)(?:\[([^\]]*)\])?$/.exec(text);
  if (!found) return undefined;
  const [, prefix = "", tensor = "", positions = ""] = found;
  const index = positions.split(",").filter((part) => part.trim()).map((part) => Number(part.slice(part.indexOf("=") + 1)));
  if (index.some((at) => !Number.isInteger(at))) return undefined;
  return { tensor: tensor.trim(), phase: PHASE[prefix] ?? "forward", index };
}

const PROBABILITIES = new Set(["softmax", "softmax1", "sigmoid", "sigmoid_weights", "attention_weights"]);

/** Whether a tensor's numbers are probabilities, which have a scale of their own. */
export function isProbability(tensor: Tensor, phase: Phase): boolean {
  return phase === "forward" && PROBABILITIES.has(tensor.origin);
}
