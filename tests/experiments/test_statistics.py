"""What paired measurements say: false alarms counted, a known difference found, and that pairing pays."""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import fmean

import pytest
from scipy import stats

from kqv.errors import Error
from kqv.experiments.statistics import Interval, paired_interval, spread, unpaired_interval

TRIES = 2000
Values = list[float]


def worlds(random_numbers: random.Random, seeds: int, difference: float) -> tuple[Values, Values]:
    """Scores of two variants: what a seed does to both has the deviation 1, what it does to each alone 0.3."""
    common = [random_numbers.gauss(0, 1) for _ in range(seeds)]
    first, second = ([shared + random_numbers.gauss(0, 0.3) for shared in common] for _ in range(2))
    return first, [value + difference for value in second]


def seen(
    difference: float, seeds: int, interval: Callable[[Values, Values], Interval | None] = paired_interval
) -> float:
    """In which fraction of many tries a difference is seen."""
    random_numbers = random.Random(1)
    found = [interval(*worlds(random_numbers, seeds, difference)) for _ in range(TRIES)]
    return fmean(one is not None and one.excludes_zero for one in found)


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_equal_variants_give_no_difference_in_nineteen_of_twenty_tries(seeds: int) -> None:
    """The count of false alarms is binomial: 2,000 tries at 5 % give 100 ± 10."""
    assert 0.035 < seen(0.0, seeds) < 0.065


def test_a_difference_of_known_size_is_found_and_lies_in_the_interval() -> None:
    assert seen(1.5, seeds=5) > 0.95
    random_numbers = random.Random(2)
    found = [paired_interval(*worlds(random_numbers, 5, 1.5)) for _ in range(TRIES)]
    holds = fmean(one is not None and one.low < 1.5 < one.high for one in found)
    assert 0.935 < holds < 0.965


def test_pairing_sees_what_is_lost_without_it() -> None:
    assert seen(0.8, seeds=5) > 5 * seen(0.8, seeds=5, interval=unpaired_interval)
    first, second = worlds(random.Random(3), 5, 0.8)
    paired, unpaired = paired_interval(first, second), unpaired_interval(first, second)
    assert paired is not None
    assert unpaired is not None
    assert paired.mean == pytest.approx(unpaired.mean)
    assert paired.half < unpaired.half / 2


def test_both_intervals_are_those_of_scipy() -> None:
    first, second = worlds(random.Random(4), 6, 0.2)
    for ours, theirs in (
        (paired_interval(first, second), stats.ttest_rel(second, first).confidence_interval()),
        (unpaired_interval(first, second), stats.ttest_ind(second, first, equal_var=False).confidence_interval()),
    ):
        assert ours is not None
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_one_pair_has_no_interval_and_no_spread() -> None:
    assert paired_interval([1.0], [2.0]) is None
    assert unpaired_interval([1.0], [2.0]) is None
    assert spread([1.0]) is None


def test_values_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(Error, match="pairs are needed: there are 2 values of one and 1 of the other"):
        paired_interval([1.0, 2.0], [1.0])


def test_equal_counts_are_no_certainty() -> None:
    """One picture of 300 more right with each of three seeds: without the grain the interval would have no width."""
    first, second = [0.9, 0.91, 0.92], [0.9 + 1 / 300, 0.91 + 1 / 300, 0.92 + 1 / 300]
    certain, careful = paired_interval(first, second), paired_interval(first, second, grain=1 / 300)
    assert certain is not None
    assert careful is not None
    assert certain.half < 1e-9 < careful.half
    assert careful.half == pytest.approx(stats.t.ppf(0.975, 2) / 300 / 12**0.5 / 3**0.5)
