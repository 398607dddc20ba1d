import type { Component } from "svelte";
import type { Room } from "../router.svelte";

/** Each room, loaded when it is first entered. */
export const LOADERS: Record<Room, () => Promise<{ default: Component }>> = {
  start: () => import("./start/Start.svelte"),
  digits: () => import("./digits/Digits.svelte"),
  sentence: () => import("./sentence/Sentence.svelte"),
  tensors: () => import("./tensors/Tensors.svelte"),
  shapes: () => import("./shapes/Shapes.svelte"),
  training: () => import("./training/Training.svelte"),
  questions: () => import("./questions/Questions.svelte"),
  exercises: () => import("./exercises/Exercises.svelte"),
  adder: () => import("./adder/Adder.svelte"),
};
