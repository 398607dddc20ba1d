"""Differences in words: which is better, by how much, and when nothing can be said."""

from __future__ import annotations

import pytest

from kqv.experiments.measures import Measure, Pairs, sentence
from kqv.experiments.statistics import paired_interval


def said(name: str, baseline: list[float], variant: list[float]) -> str:
    return sentence(
        "squared", "dot", Measure(name), Pairs(tuple(baseline), tuple(variant)), paired_interval(baseline, variant)
    )


BASELINE = [2.0, 2.1, 2.2, 2.3, 2.4]


def moved(*steps: float) -> list[float]:
    return [value + step for value, step in zip(BASELINE, steps, strict=True)]


def test_a_higher_loss_is_worse() -> None:
    words = said("loss", BASELINE, moved(0.19, 0.2, 0.21, 0.22, 0.23))
    assert words == "squared is worse than dot by 0.210 ± 0.020 nats, 5 of 5 seeds."


def test_a_higher_accuracy_is_better_and_counted_in_percentage_points() -> None:
    words = said("accuracy", [0.90, 0.91, 0.92, 0.93], [0.930, 0.939, 0.952, 0.961])
    assert words == "squared is better than dot by 3.05 ± 0.21 percentage points, 4 of 4 seeds."


def test_no_difference_says_what_it_is_less_than() -> None:
    words = said("loss", BASELINE, moved(0.01, -0.01, 0.012, -0.011, 0.0))
    assert words.startswith("squared: no difference can be seen with 5 seeds: less than 0.0")
    bound = float(words.split("less than ")[1].split()[0])
    interval = paired_interval(BASELINE, moved(0.01, -0.01, 0.012, -0.011, 0.0))
    assert interval is not None
    assert interval.bound <= bound < interval.bound + 0.002


def test_equal_scores_are_said_to_be_equal() -> None:
    assert said("loss", BASELINE, BASELINE) == "squared scores exactly as dot with 5 seeds."


def test_one_seed_gives_no_verdict() -> None:
    assert "more seeds are needed for a verdict" in said("loss", [2.0], [2.5])
    assert "nothing can be said" in said("loss", [], [])


@pytest.mark.parametrize(("name", "less"), [("loss", True), ("perplexity", True), ("accuracy", False), ("bleu", False)])
def test_which_is_better_comes_from_where_it_is_known(name: str, less: bool) -> None:
    assert Measure(name).less_is_better == less
