/**
 * From logits to the probabilities that a token is drawn from, as `kqv/generation/sampling.py` computes them: temperature,
 * top-k, top-p, min-p, each on what the one before left. Of equally likely tokens the one with the lower id comes first.
 */

export interface Sampling {
  temperature: number;
  topK?: number | undefined;
  topP?: number | undefined;
  minP?: number | undefined;
}

/** How tokens are chosen, as it stands in an address; nothing for what is as it is at first. */
export function inAddress({ temperature, topK, topP, minP }: Sampling): Record<string, number | undefined> {
  return { temperature: temperature === 1 ? undefined : temperature, top_k: topK, top_p: topP, min_p: minP };
}

export function fromAddress(query: Record<string, string | undefined>): Sampling {
  const number = (name: string, low: number, high: number) => {
    const found = Number(query[name] || NaN);
    return found >= low && found <= high ? found : undefined;
  };
  return { temperature: number("temperature", 0, 2) ?? 1, topK: number("top_k", 1, 1e6), topP: number("top_p", 0, 1), minP: number("min_p", 0, 1) };
}

export function distribution(logits: ArrayLike<number>, { temperature, topK, topP, minP }: Sampling): Float64Array {
  if (temperature === 0) return certain(logits);
  let found = softmax(logits, temperature);
  if (topK !== undefined && topK < found.length) found = kept(found, ordered(found).subarray(0, topK));
  if (topP !== undefined && topP < 1) found = kept(found, nucleus(found, topP));
  if (minP !== undefined) {
    const least = minP * found.reduce((a, b) => Math.max(a, b), 0);
    found = kept(found, Uint32Array.from(found.keys()).filter((token) => found[token]! >= least));
  }
  return found;
}

/** Probabilities of logits divided by a temperature; the largest is subtracted first, so that nothing overflows. */
export function softmax(logits: ArrayLike<number>, temperature = 1): Float64Array {
  let largest = -Infinity;
  for (let token = 0; token < logits.length; token++) largest = Math.max(largest, logits[token]!);
  const found = new Float64Array(logits.length);
  let sum = 0;
  for (let token = 0; token < logits.length; token++) sum += found[token] = Math.exp((logits[token]! - largest) / temperature);
  return found.map((power) => power / sum);
}

function certain(logits: ArrayLike<number>): Float64Array {
  let best = 0;
  for (let token = 1; token < logits.length; token++) if (logits[token]! > logits[best]!) best = token;
  const found = new Float64Array(logits.length);
  found[best] = 1;
  return found;
}

/** The tokens, likeliest first; equal ones by their ids. */
export function ordered(values: ArrayLike<number>): Uint32Array {
  return Uint32Array.from({ length: values.length }, (_, token) => token).sort((a, b) => values[b]! - values[a]! || a - b);
}

/** The likeliest tokens, as many as are needed for a sum of at least `topP`. */
function nucleus(probabilities: Float64Array, topP: number): Uint32Array {
  const tokens = ordered(probabilities);
  let before = 0;
  let count = 0;
  while (count < tokens.length && before < topP) before += probabilities[tokens[count++]!]!;
  return tokens.subarray(0, count);
}

/** The probabilities of some tokens, which sum to 1 again; 0 for the others. */
function kept(probabilities: Float64Array, tokens: Uint32Array): Float64Array {
  const found = new Float64Array(probabilities.length);
  let sum = 0;
  for (const token of tokens) sum += found[token] = probabilities[token]!;
  return found.map((probability) => probability / sum);
}
