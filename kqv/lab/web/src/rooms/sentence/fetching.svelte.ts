/** The download of the model that a button fetches: how far it is, as the server tells it. */

import { get, post } from "../../api";
import { listen } from "../../events.svelte";

export interface Fetching {
  name: string;
  runs: boolean;
  bytes: number;
  total: number | null;
  /** Seconds that are left; null: not known yet. */
  seconds: number | null;
  here: boolean;
  problem: string | null;
}

const kept = $state<{ now: Fetching | undefined }>({ now: undefined });

export function fetching(): Fetching | undefined {
  return kept.now;
}

/** Keep it up to date; `onhere` is called when a download has ended well. */
export function follow(onhere: () => void): () => void {
  const take = (told: Fetching) => {
    const ran = kept.now?.runs;
    kept.now = told;
    if (ran && told.here) onhere();
  };
  // what went wrong before this page was opened is not its own
  const own = (told: Fetching) => ({ ...told, problem: kept.now?.runs ? told.problem : (kept.now?.problem ?? null) });
  const ask = () => void get<Fetching>("sentence/fetch").then((told) => take(own(told)), () => undefined);
  ask();
  const ends = [listen("sentence.fetching", (told) => told && take(told as Fetching)), listen("open", ask), listen("missed", ask)];
  return () => ends.forEach((end) => end());
}

export async function start(): Promise<void> {
  kept.now = await post<Fetching>("sentence/fetch");
}

export async function stop(): Promise<void> {
  await post("sentence/fetch/stop");
}
