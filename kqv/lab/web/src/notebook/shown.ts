/** Which tensor of a trace is shown first. */

import type { Tensor } from "../components/trace.svelte";

/** The first probabilities, such as an attention's weights; else the first thing that was computed. */
export function first(tensors: readonly Tensor[]): Tensor | undefined {
  return tensors.find(({ origin }) => origin === "softmax") ?? tensors.find(({ kind }) => kind === "activation") ?? tensors[0];
}
