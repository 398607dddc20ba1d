/** Asking the lab's server. Whatever goes wrong is an `ApiError` with one line for the user, in the page's language. */

let inWords = (text: string): string => text;

/** Have what the server says put into the page's language. */
export function speakBy(words: (text: string) => string): void {
  inWords = words;
}

export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(inWords(message));
  }
}

/** What an address asks for. */
export type Query = Record<string, string | number | boolean | undefined>;

function token(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="kqv-page-token"]')?.content ?? "";
}

export function path(name: string, query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const text = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
  return `./api/${name}${text ? `?${text}` : ""}`;
}

async function ask(name: string, query: Query, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path(name, query), init);
  } catch (failure) {
    if (failure instanceof DOMException && failure.name === "AbortError") throw failure;
    throw new ApiError("the lab does not answer; is `kqv lab` still running?", 0);
  }
  if (answer.ok) return answer;
  let problem = `the lab answered ${answer.status}`;
  try {
    problem = ((await answer.json()) as { error?: string }).error ?? problem;
  } catch {
    // not JSON: the status has to do
  }
  throw new ApiError(problem, answer.status);
}

export async function get<Answer>(name: string, query: Query = {}, signal?: AbortSignal): Promise<Answer> {
  return (await ask(name, query, { signal: signal ?? null })).json() as Promise<Answer>;
}

/** Raw little-endian float32 numbers. */
export async function floats(name: string, query: Query = {}, signal?: AbortSignal): Promise<Float32Array> {
  return new Float32Array(await (await ask(name, query, { signal: signal ?? null })).arrayBuffer());
}

function sending(body: unknown, signal?: AbortSignal): RequestInit {
  return {
    method: "POST",
    headers: { "content-type": "application/json", "x-kqv-page": token() },
    body: JSON.stringify(body),
    signal: signal ?? null,
  };
}

export async function post<Answer>(name: string, body: unknown = {}, signal?: AbortSignal): Promise<Answer> {
  return (await ask(name, {}, sending(body, signal))).json() as Promise<Answer>;
}

/** Raw bytes back, for raw bytes or JSON that is sent along; without either it is only asked for. */
export async function bytes(name: string, body?: ArrayBuffer | object, query: Query = {}): Promise<ArrayBuffer> {
  const raw = body instanceof ArrayBuffer;
  const init = raw ? { method: "POST", headers: { "content-type": "application/octet-stream", "x-kqv-page": token() }, body } : sending(body);
  return (await ask(name, query, body === undefined ? {} : init)).arrayBuffer();
}

/** An answer that comes in pieces: each line is one JSON value. */
export async function* lines<Piece>(name: string, body: unknown, signal?: AbortSignal): AsyncGenerator<Piece> {
  const answer = await ask(name, {}, sending(body, signal));
  if (!answer.body) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += value ?? "";
      const whole = rest.split("\n");
      rest = done ? "" : (whole.pop() ?? "");
      for (const line of whole) if (line) yield JSON.parse(line) as Piece;
      if (done) return;
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}
