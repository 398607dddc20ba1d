/** The kernel of a notebook, asked as the lab's server is: a question is a message with a number, and so is its answer. */

import type { AnyModel } from "@anywidget/types";
import type { Asking } from "../components/trace.svelte";
import { said as inWords } from "../german/said.svelte";

/** What the kernel says to a question: as JSON, with numbers beside it, or in one line why not. */
interface Said {
  answer: string;
  content?: unknown;
  error?: string;
}

interface Open {
  done: (content: unknown, buffers: readonly DataView[]) => void;
  failed: (problem: Error) => void;
  since: number;
}

export const PATIENCE = 1500; // ms after which it is said that no answer has come

export class Kernel implements Asking {
  /** Whether an answer is late: the kernel runs another cell, or has ended. */
  isLate = $state(false);
  private readonly open = new Map<string, Open>();
  private readonly own = Math.random().toString(36).slice(2); // several views share one model's messages
  private asked = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly model: AnyModel) {
    model.on("msg:custom", this.heard);
  }

  get<Answer>(name: string, query: object = {}): Promise<Answer> {
    return this.ask(name, query, (content) => content as Answer);
  }

  floats(name: string, query: object = {}): Promise<Float32Array> {
    return this.ask(name, query, (_, [numbers]) => floatsOf(numbers));
  }

  close(): void {
    this.model.off("msg:custom", this.heard);
    clearTimeout(this.timer);
  }

  private ask<Answer>(name: string, query: object, read: (content: unknown, buffers: readonly DataView[]) => Answer): Promise<Answer> {
    const id = `${this.own}-${++this.asked}`;
    return new Promise((done, failed) => {
      this.open.set(id, { done: (content, buffers) => done(read(content, buffers)), failed, since: Date.now() });
      this.timer ??= setTimeout(() => this.look(), PATIENCE); // not at once: questions are asked while a view is worked out
      this.model.send({ ask: id, about: name.split("/").at(-1), query });
    });
  }

  private readonly heard = (said: Said, buffers: readonly DataView[] = []): void => {
    const found = this.open.get(said.answer);
    if (!found) return;
    this.open.delete(said.answer);
    this.look();
    if (said.error === undefined) found.done(said.content, buffers);
    else found.failed(new Error(inWords(said.error)));
  };

  /** Look at the oldest question that is open, now or when it would be late. */
  private look(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const oldest = Math.min(...[...this.open.values()].map(({ since }) => since));
    const rest = oldest + PATIENCE - Date.now();
    this.isLate = rest <= 0;
    if (rest > 0 && rest < Infinity) this.timer = setTimeout(() => this.look(), rest);
  }
}

/** Raw little-endian float32 numbers; a copy, since they need not begin where a float may. */
export function floatsOf(numbers: DataView | undefined): Float32Array {
  if (!numbers) return new Float32Array();
  return new Float32Array(numbers.buffer.slice(numbers.byteOffset, numbers.byteOffset + numbers.byteLength) as ArrayBuffer);
}
