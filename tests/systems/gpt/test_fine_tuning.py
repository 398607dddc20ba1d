"""The recipe for weights that were trained elsewhere."""

from __future__ import annotations

import pytest

from kqv.models.architecture import Architecture
from kqv.systems.gpt.fine_tuning import TOKENS, fine_tuning
from kqv.systems.gpt.recipes import gpt
from kqv.training.schedules import share


@pytest.mark.parametrize("steps", [2, 5, 300, 10_000])
def test_the_rate_rises_over_three_percent_and_falls_to_a_tenth(steps: int) -> None:
    plan = fine_tuning(Architecture(), steps).training
    rates = [share(plan.schedule, step, steps, plan.warm_up, plan.floor) for step in range(steps + 1)]
    assert plan.warm_up == max(1, round(0.03 * steps))
    assert max(rates) == rates[plan.warm_up - 1] == 1.0
    assert rates[steps] == pytest.approx(0.1)
    assert plan.evaluate_every is not None
    assert 1 <= plan.evaluate_every <= steps


@pytest.mark.parametrize("context", [16, 1000, 1024, 5000])
def test_a_batch_is_of_the_same_size_whatever_the_context(context: int) -> None:
    recipe = fine_tuning(Architecture(context=context))
    assert recipe.model.context == context
    assert recipe.training.batch == max(1, TOKENS // context)


def test_it_takes_smaller_steps_than_a_new_model() -> None:
    assert fine_tuning(Architecture()).training.learning_rate < gpt().training.learning_rate / 5
