import type { Header } from "../components/trace.svelte";
import type { Split, Switched } from "../rooms/sentence/whys";

/** What a view shares with its widget in Python, each of them a trait of the same name. */

export interface Shared {
  view: "trace" | "run" | "answer" | "why" | "split";
  language: "en" | "de" | "";
  theme: "auto" | "light" | "dark";
  /** Of a trace: the tensor and the phase that are shown, and the chosen cell; "" for none. */
  tensor: string;
  phase: "forward" | "backward" | "update";
  cell: string;
  header: Header;
  /** Of a run: how it stands, and its curves: steps, then values, as little-endian float32. */
  run: Record<string, unknown>;
  curves: Record<string, DataView>;
  /** Of a comparison: its answer, and each line of each figure by `part,line`. */
  answer: Record<string, unknown>;
  lines: Record<string, DataView>;
  /** Of why: the split, and the parts that are switched off. */
  split: Split;
  switched: Switched;
}
