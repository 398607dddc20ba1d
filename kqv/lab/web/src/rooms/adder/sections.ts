/** In which step of the page each tensor of an adder stands. */

import type { Tensor } from "../../components/trace.svelte";

export const STEPS = ["1", "2", "3", "4", "5", "6", "7", "8"] as const;
export type Step = (typeof STEPS)[number];

const PLACES: [RegExp, Step][] = [
  [/^(ids|positions)$/, "1"],
  [/^(tokens\.|token_vectors|position_vectors|positions\.|embedded)/, "2"],
  [/attention_norm\.|attention_input$|query_key_value|normed_queries|normed_keys|(query|key)_norm\.|attention\.(queries|keys|values)$/, "3"],
  [/attention\.(products|scores|masked_scores|allowed|weights)$/, "4"],
  [/attention\.(mixed|merged|output|projection\.)|after_attention$/, "5"],
  [/feed_forward|blocks\.\d+\.output$/, "6"],
  [/^(norm\.|normed$|logits$|unembedding\.|verdict$)/, "7"],
  [/^(targets|cost)$/, "8"],
];

export function stepOf(name: string): Step | undefined {
  return PLACES.find(([pattern]) => pattern.test(name))?.[1];
}

const VIEWS = /attention\.(queries|keys|merged|products|allowed)$/; // their numbers stand beside already, in another order or without the scale

/** The tensors of a step, weights before what they are used for; those that only repeat others are left out. */
export function tensorsOf(step: Step, tensors: Tensor[]): Tensor[] {
  return tensors.filter((tensor) => stepOf(tensor.name) === step && !VIEWS.test(tensor.name));
}

/** What no step has: a tensor of a model that is composed otherwise is shown at the end, never left out in silence. */
export function others(tensors: Tensor[]): Tensor[] {
  return tensors.filter((tensor) => stepOf(tensor.name) === undefined);
}
