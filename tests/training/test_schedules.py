"""Learning-rate schedules."""

from __future__ import annotations

import itertools
import math

import pytest

from kqv.training.schedules import SCHEDULES, share


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_they_fall_from_the_whole_to_the_floor(name: str) -> None:
    shares = [share(name, step, 100, floor=0.1) for step in range(101)]
    assert shares[0] == 1
    assert shares[-1] == pytest.approx(0.1)
    assert all(later < earlier for earlier, later in itertools.pairwise(shares))
    assert shares[50] == pytest.approx((1 + 0.1) / 2)


def test_the_cosine_is_slow_at_both_ends() -> None:
    falls = [share("cosine", step, 100) - share("cosine", step + 1, 100) for step in range(100)]
    assert falls[0] < falls[50] / 10
    assert falls[99] < falls[50] / 10
    assert share("cosine", 25, 100) == pytest.approx(0.5 + math.sqrt(2) / 4)


@pytest.mark.parametrize("name", SCHEDULES)
def test_warm_up_rises_evenly_to_the_schedules_beginning(name: str) -> None:
    rising = [share(name, step, 50, warm_up=10) for step in range(11)]
    assert rising[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rising[10] == pytest.approx(math.sqrt(10 / 11) if name == "inverse-square-root" else 1.0)


@pytest.mark.parametrize("warm_up", [1, 2, 10, 4000])
def test_the_inverse_square_root_is_the_papers_rule_relative_to_its_peak(warm_up: int) -> None:
    def paper(number: int) -> float:  # eq. (3), its steps counted from 1
        return 512**-0.5 * min(number**-0.5, number * warm_up**-1.5)

    for step in (0, 1, warm_up - 1, warm_up, warm_up + 1, 3 * warm_up, 9_999):
        found = share("inverse-square-root", step, 10_000, warm_up=warm_up)
        assert found == pytest.approx(paper(step + 1) / paper(warm_up))
        assert found == share("inverse-square-root", step, 100_000, warm_up=warm_up)  # it knows no end


def test_the_inverse_square_root_begins_whole_without_a_warm_up() -> None:
    assert [share("inverse-square-root", step, 10) for step in (0, 3, 8)] == pytest.approx([1, 1 / 2, 1 / 3])


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_share_is_one_even_in_runs_shorter_than_their_warm_up(name: str) -> None:
    assert all(0 <= share(name, step, steps, warm_up=7) <= 1 for steps in (1, 2, 7, 8, 30) for step in range(steps))


def test_a_trapezoid_is_flat_and_falls_over_its_last_share() -> None:
    shares = [share("trapezoid", step, 100, warm_up=10, decay=0.2) for step in range(101)]
    assert shares[10:81] == [1.0] * 71
    assert shares[80:] == pytest.approx([1 - step / 20 for step in range(21)])
