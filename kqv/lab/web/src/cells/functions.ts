// Functions of one number, each with its derivative up to its sign (by which errors are passed on).

type OfOne = (value: number) => number;

/** Gauss' error function: the series of its terms that are all positive. */
export function erf(value: number): number {
  if (Number.isNaN(value)) return NaN;
  const size = Math.abs(value);
  if (size > 6) return Math.sign(value);
  let term = size;
  let total = size;
  for (let count = 1; term > total * 1e-17; count++) {
    term *= (2 * size * size) / (2 * count + 1);
    total += term;
  }
  return (Math.sign(value) * (2 / Math.sqrt(Math.PI)) * Math.exp(-size * size)) * total;
}

export const FUNCTIONS: Record<string, { of: OfOne; slope: OfOne }> = {
  exp: { of: Math.exp, slope: Math.exp },
  log: { of: Math.log, slope: (a) => 1 / a },
  log1p: { of: Math.log1p, slope: (a) => 1 / (1 + a) },
  "√": { of: Math.sqrt, slope: (a) => 0.5 / Math.sqrt(a) },
  tanh: { of: Math.tanh, slope: (a) => 1 - Math.tanh(a) ** 2 },
  erf: { of: erf, slope: (a) => (2 / Math.sqrt(Math.PI)) * Math.exp(-(a ** 2)) },
  sin: { of: Math.sin, slope: Math.cos },
  cos: { of: Math.cos, slope: Math.sin },
  σ: { of: (a) => 0.5 * (1 + Math.tanh(0.5 * a)), slope: (a) => 0.25 * (1 - Math.tanh(0.5 * a) ** 2) },
  "|·|": { of: Math.abs, slope: () => 1 },
  sgn: { of: Math.sign, slope: () => 0 },
};
