/** A lesson as the page sees it: the network, what it said last, and what can be asked of it. */

import { ApiError, bytes, get, post } from "../../api";
import { open, type Cell, type Trace } from "../../components/trace.svelte";
import { readPass, readTensor, unpack, type Introduction, type Pass, type Phase, type Said, type Tensor } from "./wire";

export type RuleName = "gradient-descent" | "run";

export interface Glance {
  said: Said;
  sizes: number[];
  values: Float32Array;
}

const OVER = "this lesson is over";

export class Lesson {
  about = $state.raw<Introduction>();
  pass = $state.raw<Pass>();
  glance = $state.raw<Glance>();
  problem = $state("");
  busy = $state(false);
  inspected = $state.raw<{ trace: Trace; cell: string }>();
  turn = $state(0); // counts the passes, so that what belongs to one is asked for anew with the next

  /** What the network says now: after the steps of learning, while a drawing is made, or of the last pass. */
  get said(): Said | undefined {
    return this.pass?.history.at(-1) ?? this.glance?.said ?? this.first;
  }

  /** What it said in the last pass, before a step changed it. */
  get first(): Said | undefined {
    const pass = this.pass;
    const tensor = pass?.tensors.find((found) => found.name === pass.probabilities && found.phase === "forward");
    if (!pass || !tensor) return undefined;
    const probabilities = [...tensor.values];
    return { probabilities, position: probabilities.indexOf(Math.max(...probabilities)), cost: pass.cost };
  }

  async open(run: string): Promise<void> {
    this.pass = this.glance = undefined;
    this.problem = "";
    await this.guarded(async () => {
      this.about = await post<Introduction>("digits/lessons", { run });
    });
  }

  draw(values: Float32Array, side: number): Promise<void> {
    return this.passed("drawing", values.buffer as ArrayBuffer, { rows: side, columns: side });
  }

  file(content: ArrayBuffer): Promise<void> {
    return this.passed("file", content);
  }

  example(query: { number?: number; kind?: "any" | "mistake" }): Promise<void> {
    return this.passed("example", {}, query);
  }

  label(label: number): Promise<void> {
    return this.passed("label", { label });
  }

  learn(steps: number, rule: RuleName, rate: number): Promise<void> {
    return this.passed("steps", { steps, rule, rate });
  }

  again(): Promise<void> {
    return this.passed("again", {});
  }

  reset(): Promise<void> {
    return this.passed("reset", {});
  }

  /** What is said of a drawing that is being made; while one is asked for, others are passed over. */
  async look(values: Float32Array, side: number): Promise<void> {
    if (this.looking || this.busy || !this.about) return;
    this.looking = true;
    const turn = this.turn; // an answer that comes after the whole drawing's is of no use any more
    try {
      const { header, next } = unpack(await bytes(this.path("glance"), values.buffer as ArrayBuffer, { rows: side, columns: side }));
      const sizes = header.sizes as number[];
      if (!this.busy && this.turn === turn) {
        this.pass = undefined;
        this.glance = { said: header.said as Said, sizes, values: next(sizes) };
      }
    } catch {
      // the first dot of a drawing may be no ink yet: the whole one is asked for at its end
    } finally {
      this.looking = false;
    }
  }
  private looking = false;

  async numbers(tensor: string, phase: Phase): Promise<Tensor> {
    return readTensor(await bytes(this.path("numbers"), undefined, { tensor, phase }));
  }

  cell(cell: string): Promise<Cell> {
    return get<Cell>(this.path("cell"), { cell });
  }

  /** Show a number in the inspector; the pass is put among the lab's traces for that. */
  async inspect(cell: string): Promise<void> {
    try {
      this.inspected = { trace: await open(await this.traceId()), cell };
    } catch (failure) {
      this.problem = (failure as Error).message;
    }
  }

  /** The pass among the lab's traces. */
  async traceId(): Promise<string> {
    return (await post<{ id: string }>(this.path("trace"))).id;
  }

  forget(): void {
    this.pass = this.glance = undefined;
    this.problem = "";
  }

  private path(name: string): string {
    return `digits/lessons/${this.about?.id}/${name}`;
  }

  private passed(name: string, body: ArrayBuffer | object, query: Record<string, string | number> = {}): Promise<void> {
    return this.guarded(async () => {
      const content = await bytes(this.path(name), body, query);
      this.glance = undefined;
      this.pass = readPass(content);
      this.turn += 1;
    });
  }

  private async guarded(ask: () => Promise<void>): Promise<void> {
    this.busy = true;
    try {
      await ask();
      this.problem = "";
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      if (failure.message.startsWith(OVER) && this.about) {
        this.about = await post<Introduction>("digits/lessons", { run: this.about.name });
      }
      this.problem = failure.message;
    } finally {
      this.busy = false;
    }
  }
}
