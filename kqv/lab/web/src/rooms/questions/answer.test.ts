import { describe, expect, it } from "vitest";
import { digitsFor, meanOf, sentence, spreadOf, type Measure, type Row } from "./answer";
import { texts } from "./texts";

const LOSS: Measure = { name: "loss", less_is_better: true, factor: 1, unit: "nats", title: "loss, nats" };
const ACCURACY: Measure = { name: "accuracy", less_is_better: false, factor: 100, unit: "percentage points", title: "accuracy, %" };

function row(given: Partial<Row>): Row {
  return {
    variant: "squared", slug: "squared", settings: {}, other_scores: [{ loss: 1 }, { loss: 2 }], diverged: {}, seconds: 1, sample: "", parameters: 1, notes: [], ...given,
  };
}

describe("an answer in words", () => {
  it("says better or worse by the score's direction", () => {
    const found = row({ difference: { mean: 0.2, low: 0.17, high: 0.23 }, differences: [0.19, 0.21, 0.2] });
    expect(sentence(found, "dot", LOSS, texts.en)).toBe("squared is worse than dot by 0.200 ± 0.030 nats, with 3 of 3 seeds.");
    expect(sentence(found, "dot", ACCURACY, texts.de)).toContain("besser als dot");
  });
  it("says that no difference can be seen where the interval has zero in it", () => {
    const found = row({ difference: { mean: -0.037, low: -0.089, high: 0.0145 }, differences: [-0.041, -0.033] });
    expect(sentence(found, "learned", LOSS, texts.en)).toMatch(/^squared: no difference can be seen with 2 seeds: less than 0\.090 nats\.$/);
  });
  it("needs more than one seed, and says which diverged", () => {
    expect(sentence(row({ differences: [0.5] }), "dot", LOSS, texts.en)).toContain("one seed");
    expect(sentence(row({ diverged: { "1": "NaN" } }), "dot", LOSS, texts.en)).toMatch(/diverged with 1 of 2 seeds/);
  });
});

it("means and spreads are of the seeds that are known", () => {
  const found = row({ other_scores: [{ loss: 1 }, null, { loss: 2 }] });
  expect(meanOf(found, LOSS)).toBe(1.5);
  expect(spreadOf(found, LOSS)).toBeCloseTo(Math.SQRT1_2, 12);
  expect(meanOf(row({ other_scores: [null] }), LOSS)).toBeNull();
});

it("digits are as many as count", () => {
  expect(digitsFor(0.052, 4)).toBe(3);
  expect(digitsFor(12, 4)).toBe(0);
});
