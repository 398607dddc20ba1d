"""What a listener is told of a training, and when, by a clock that the test sets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from kqv.training.audience import SHOW_SECONDS, Audience


class Clock:
    """Stands still until it is moved."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


class Told:
    """A listener that keeps all that it is told."""

    def __init__(self) -> None:
        self.news: list[tuple[Any, ...]] = []

    def started(self, step: int, steps: int) -> None:
        self.news.append(("started", step, steps))

    def stepped(self, step: int, loss: float, rate: float) -> None:
        self.news.append(("stepped", step, loss, pytest.approx(rate)))

    def evaluating(self, done: int, whole: int) -> None:
        self.news.append(("evaluating", done, whole))

    def evaluated(self, step: int, scores: dict[str, float]) -> None:
        self.news.append(("evaluated", step, scores))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("kqv.training.audience.time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def begun(told: Told) -> Audience:
    """Training begins at step 2 of 9; a step sees as many examples as its number."""
    audience = Audience(told, lambda step: step)
    audience.begin(2, 9)
    return audience


def test_it_is_told_of_all_steps_together_when_it_is_time(clock: Clock) -> None:
    told = Told()
    audience = begun(told)
    for step, loss in ((3, 1.0), (4, 3.0)):
        audience.add(torch.tensor(loss))
        audience.see(step, None)
    assert told.news == [("started", 2, 9)]
    clock.now += 2 * SHOW_SECONDS
    audience.see(4, None)
    assert told.news[1:] == [("stepped", 4, 2.0, (2 + 3) / (2 * SHOW_SECONDS))]
    audience.add(torch.tensor(5.0))
    clock.now += 0.5 * SHOW_SECONDS
    audience.see(5, {"loss": 0.5})  # scores are told at once
    assert told.news[2:] == [("stepped", 5, 5.0, 4 / (0.5 * SHOW_SECONDS)), ("evaluated", 5, {"loss": 0.5})]


def test_what_is_done_between_steps_does_not_count_as_their_time(clock: Clock) -> None:
    told = Told()
    audience = begun(told)
    audience.add(torch.tensor(1.0))
    with audience.pause():
        clock.now += 1000
    audience.see(3, None)
    assert told.news == [("started", 2, 9)]
    clock.now += 2.0
    audience.see(3, None)
    assert told.news[1:] == [("stepped", 3, 1.0, 2 / 2.0)]


def test_it_is_told_how_far_an_evaluation_is_a_few_times_a_second(clock: Clock) -> None:
    told = Told()
    advance = begun(told).evaluation()
    for done in range(1, 6):
        clock.now += 0.6 * SHOW_SECONDS
        advance(done, 5)
    assert told.news[1:] == [("evaluating", 2, 5), ("evaluating", 4, 5)]
