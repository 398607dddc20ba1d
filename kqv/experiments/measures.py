"""Scores for people: in which unit, with how many digits, and what a difference of two is in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kqv.experiments.statistics import Interval
from kqv.training.best import LESS_IS_BETTER

PERCENT = frozenset({"accuracy", "exact_match"})
"""Scores that are fractions."""

UNITS = {"loss": "nats", "bits_per_byte": "bits per byte", "bleu": "BLEU", "chrf": "chrF"}
COUNTS = ("pictures", "sentences", "tokens")
SETTINGS = ("beams", "length_penalty", "trained_on")
"""What an evaluation says beside its scores."""

DIGITS = {"loss": 4, "perplexity": 3, "bits_per_byte": 4, "bleu": 2, "chrf": 2}


@dataclass(frozen=True)
class Measure:
    """A score by its name."""

    name: str

    @property
    def less_is_better(self) -> bool:
        """Whether the smaller of two is the better one."""
        return self.name in LESS_IS_BETTER

    @property
    def factor(self) -> int:
        """A fraction is shown in percent."""
        return 100 if self.name in PERCENT else 1

    @property
    def unit(self) -> str:
        """What a difference is counted in."""
        return "percentage points" if self.name in PERCENT else UNITS.get(self.name, self.name)

    @property
    def title(self) -> str:
        """Its name with its unit, for a table and an axis."""
        title = {"bleu": "BLEU", "chrf": "chrF"}.get(self.name, self.name.replace("_", " "))
        if self.name in PERCENT:
            return f"{title}, %"
        return f"{title}, nats" if self.name == "loss" else title

    def grain(self, examples: int) -> float:
        """In which steps a fraction of so many examples is counted."""
        return 1 / examples if self.name in PERCENT and examples else 0.0

    def text(self, value: float | None) -> str:
        """A value in its unit; a line for none."""
        return "–" if value is None else f"{self.factor * value:.{DIGITS.get(self.name, 2)}f}"

    def difference(self, interval: Interval | None, of: float | None = None) -> str:
        """`+0.21 ± 0.03`, with as many digits as the interval's width allows; without one, the difference alone."""
        if interval is None:
            return "–" if of is None else f"{self.factor * of:+.{DIGITS.get(self.name, 2)}f}"
        digits = digits_for(self.factor * interval.half, DIGITS.get(self.name, 2))
        return f"{self.factor * interval.mean:+.{digits}f} ± {self.factor * interval.half:.{digits}f}"


def digits_for(width: float, most: int) -> int:
    """Digits behind the point so that an interval's half has two that count, but no more than `most`."""
    digits = 0
    while digits < most and width < 10 ** (1 - digits):
        digits += 1
    return digits


@dataclass(frozen=True)
class Pairs:
    """What a variant scored beside the baseline: by seed, where both were trained to the end."""

    baseline: tuple[float, ...]
    variant: tuple[float, ...]

    @property
    def differences(self) -> tuple[float, ...]:
        """Variant − baseline, by seed."""
        return tuple(y - x for x, y in zip(self.baseline, self.variant, strict=True))


def sentence(label: str, baseline: str, measure: Measure, pairs: Pairs, interval: Interval | None) -> str:
    """What can be said of a variant: better, worse, or that no difference can be seen, with its size and the seeds."""
    count = len(pairs.differences)
    if not count:
        return f"{label}: no seed was trained to the end in both, so nothing can be said."
    if interval is None:
        said = measure.difference(None, pairs.differences[0])
        return f"{label}: {said} {measure.unit} beside {baseline} with one seed; more seeds are needed for a verdict."
    if not any(pairs.differences):
        return f"{label} scores exactly as {baseline} with {count} seeds."
    if not interval.excludes_zero:
        return f"{label}: no difference can be seen with {count} seeds: less than {_bound(measure, interval)}."
    is_better = (interval.mean < 0) == measure.less_is_better
    same = sum((difference < 0) == (interval.mean < 0) and difference != 0 for difference in pairs.differences)
    size = measure.difference(Interval(abs(interval.mean), interval.half)).removeprefix("+")
    word = "better" if is_better else "worse"
    return f"{label} is {word} than {baseline} by {size} {measure.unit}, {same} of {count} seeds."


def _bound(measure: Measure, interval: Interval) -> str:
    bound = measure.factor * interval.bound
    digits = digits_for(bound, DIGITS.get(measure.name, 2))
    return f"{bound + 0.5 * 10**-digits:.{digits}f} {measure.unit}"  # rounded up: less than this


def numbers_of(scores: dict[str, Any]) -> dict[str, float]:
    """Of what an evaluation says, the scores alone."""
    return {
        name: float(value)
        for name, value in scores.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in (*COUNTS, *SETTINGS)
    }


def examples_of(scores: dict[str, Any]) -> int:
    """Of what an evaluation says, how many examples it scored."""
    return next((int(scores[name]) for name in COUNTS if name in scores), 0)
