"""What paired measurements say: the mean difference with its 95 % interval, and whether one can be seen.

Of each seed there is one measurement in both worlds, x_i and y_i, with d_i = y_i − x_i. Batches and first weights of a
seed are the same in both, so what a seed happens to do to both cancels in d_i:

    Var(d) = Var(x) + Var(y) − 2·Cov(x, y)

The interval is Student's (1908, "The probable error of a mean"): mean(d) ± t·s/√n, with s² = Σ (d_i − mean(d))²/(n − 1)
and t the 97.5 % quantile of the t distribution with n − 1 degrees of freedom.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from kqv.errors import Error

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with the interval that holds the true one in 95 of 100 such experiments: mean ± half."""

    mean: float
    half: float

    @property
    def low(self) -> float:
        """The lower end."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """The upper end."""
        return self.mean + self.half

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference is seen."""
        return self.low > 0 or self.high < 0

    @property
    def bound(self) -> float:
        """What the true mean's size is less than, as far as the interval says."""
        return max(abs(self.low), abs(self.high))


def spread(values: Sequence[float]) -> float | None:
    """The sample's standard deviation; None for fewer than two values."""
    return statistics.stdev(values) if len(values) > 1 else None


def paired_interval(baseline: Sequence[float], variant: Sequence[float], grain: float = 0.0) -> Interval | None:
    """The mean of variant − baseline over pairs of equal seeds, with its interval; None for fewer than two pairs.

    `grain`: scores are counted in steps of this size (1/300 for the accuracy on 300 pictures). Then s is at least
    grain/√12, the deviation of what rounding to it leaves out: a few equal counts are no certainty.
    Raises `Error` for lists of different lengths.
    """
    if len(baseline) != len(variant):
        raise Error(f"pairs are needed: there are {len(baseline)} values of one and {len(variant)} of the other")
    differences = [y - x for x, y in zip(baseline, variant, strict=True)]
    if len(differences) < 2:
        return None
    deviation = max(statistics.stdev(differences), grain / math.sqrt(12))
    error = deviation / math.sqrt(len(differences))
    return Interval(statistics.fmean(differences), _t(len(differences) - 1) * error)


def unpaired_interval(baseline: Sequence[float], variant: Sequence[float]) -> Interval | None:
    """The same, as if the values of both did not belong together (Welch 1947); None for fewer than two of either."""
    if min(len(baseline), len(variant)) < 2:
        return None
    mean = statistics.fmean(variant) - statistics.fmean(baseline)
    parts = [statistics.variance(values) / len(values) for values in (baseline, variant)]
    if not sum(parts):
        return Interval(mean, 0.0)
    each = zip(parts, (baseline, variant), strict=True)
    freedom = sum(parts) ** 2 / sum(part**2 / (len(values) - 1) for part, values in each)
    return Interval(mean, _t(freedom) * math.sqrt(sum(parts)))


def _t(freedom: float) -> float:
    """The quantile of Student's t distribution that leaves 2.5 % on each side."""
    from scipy.stats import t  # type: ignore[import-untyped]

    return float(t.ppf((1 + CONFIDENCE) / 2, freedom))
