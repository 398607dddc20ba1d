/** The runs of the lab's folder, kept up to date by the page's stream of events. */

import { ApiError, get } from "../../api";
import { listen } from "../../events.svelte";
import { after, asked } from "../../news";

export type State = "starting" | "running" | "stopping" | "stopped" | "finished" | "died" | "damaged" | "gone";

export interface Summary {
  name: string;
  state: State;
  problem?: string;
  system?: string;
  recipe?: string;
  data?: string;
  step?: number;
  steps?: number;
  told?: number;
  saved: number;
  seconds?: number;
  numbers?: Record<string, number>;
  ours?: boolean;
  changed?: number;
  unit?: Unit;
  examples_per_second?: number | null;
  steps_per_second?: number | null;
  left?: number | null;
  command?: string;
}

export type Unit = "pictures" | "tokens" | "sums" | "pairs" | "examples";

export interface Config {
  device: string;
  threads: number;
  versions: Record<string, string>;
  facts: { name: string; train: number; validation: number; test: number };
  weights_from: string | null;
  fields: Record<string, unknown>;
  seed: number;
  parameters: number;
  epoch: number;
}

export interface Described extends Summary {
  config?: Config;
  curves?: string[];
  path?: string;
  next?: Record<string, string>;
}

const all = $state<{ runs: Summary[]; folder: string; problem: string; isLoaded: boolean }>({ runs: [], folder: "", problem: "", isLoaded: false });

export function runs(): Summary[] {
  return all.runs;
}

export function listed(): { folder: string; problem: string; isLoaded: boolean } {
  return all;
}

export function isAtWork(state: State | undefined): boolean {
  return state === "starting" || state === "running" || state === "stopping";
}

export async function ask(): Promise<void> {
  try {
    const found = await get<{ folder: string; runs: Summary[] }>("training/runs");
    all.runs = asked(all.runs, found.runs);
    all.folder = found.folder;
    all.problem = "";
  } catch (failure) {
    all.problem = failure instanceof ApiError ? failure.message : String(failure);
  }
  all.isLoaded = true;
}

/** Take what is new of a run. */
export function take(news: Summary): void {
  all.runs = after(all.runs, news);
}

/** Ask for all runs, and follow them until the function that is given back is called. */
export function follow(): () => void {
  void ask();
  const ends = [listen("training", (news) => take(news as Summary)), listen("missed", () => void ask()), listen("open", () => void ask())];
  return () => ends.forEach((end) => end());
}
