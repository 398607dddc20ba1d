"""What a step takes, counted: against formulas, and the same by shapes alone as with numbers."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from kqv.operations import attention, linear
from kqv.planning.counted import StepCount, TooLargeError, bytes_of
from kqv.planning.made_up import made_up_task, published_recipe
from kqv.planning.rehearsal import counted
from kqv.systems.gpt.recipes import GPTRecipe, nanogpt_cpu
from kqv.systems.system import system_named
from kqv.training.distributed import ALONE
from kqv.training.flops import flops_per_token


@pytest.mark.parametrize(("rows", "width", "out"), [(3, 5, 7), (400, 200, 300)])
def test_a_linear_map_and_its_gradients_are_three_products(rows: int, width: int, out: int) -> None:
    x, weight = torch.ones(rows, width, requires_grad=True), torch.ones(out, width, requires_grad=True)
    with StepCount() as count:
        y = linear(x, weight, None)
        forward = count.flops
        y.backward(torch.ones_like(y))
    assert forward == 2 * rows * width * out
    assert count.flops == 3 * forward


def test_attention_counts_all_pairs() -> None:
    query, key, value = (torch.ones(2, 3, 8, 4) for _ in range(3))
    with StepCount() as count:
        attention(query, key, value)
    assert count.flops == 2 * (2 * 2 * 3 * 8 * 8 * 4)


def test_memory_is_that_of_the_tensors_that_live() -> None:
    with StepCount() as count:
        first = torch.ones(1000)
        second = first + 1
        view = second.reshape(10, 100)
        assert count.live == bytes_of([first, second, view]) == 8000
        del first
        assert count.live == 4000
        second.add_(1)
        assert (count.live, count.peak) == (4000, 8000)


def test_what_was_there_before_does_not_count_when_it_changes() -> None:
    weight = torch.ones(1000)
    with StepCount([weight]) as count:
        weight.mul_(2)
    assert count.live == 0


def test_a_limit_ends_it() -> None:
    with pytest.raises(TooLargeError), StepCount(limit=1000):
        torch.ones(1000)


def _small() -> GPTRecipe:
    recipe = nanogpt_cpu()
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"batch": 2})})


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_shapes_alone_give_the_same_numbers(optimizer: str) -> None:
    recipe = _small()
    more = {"optimizer": optimizer, "adamw_learning_rate": 0.01 if optimizer == "muon" else None}
    recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update=more)})
    shapes = FakeTensorMode()
    by_shapes, real = made_up_task(recipe, ALONE, shapes), made_up_task(recipe, ALONE)
    assert by_shapes is not None
    assert real is not None
    found, expected = counted(by_shapes, recipe.training, shapes=shapes), counted(real, recipe.training)
    assert found.flops == expected.flops
    assert found.memory.weights == expected.memory.weights
    assert found.memory.whole == pytest.approx(expected.memory.whole, rel=0.01)


def test_a_translators_shapes_give_the_same_numbers() -> None:
    recipe = system_named("translate").recipe_named("numbers-dates")
    shapes = FakeTensorMode()
    by_shapes, real = made_up_task(recipe, ALONE, shapes), made_up_task(recipe, ALONE)
    assert by_shapes is not None
    assert real is not None
    found, expected = counted(by_shapes, recipe.training, shapes=shapes), counted(real, recipe.training)
    assert found.flops == expected.flops
    assert found.memory.whole == pytest.approx(expected.memory.whole, rel=0.01)


def test_a_gpts_step_is_what_the_formula_says() -> None:
    recipe = _small()
    task = made_up_task(recipe, ALONE)
    assert task is not None
    found = counted(task, recipe.training).flops / task.size(0)
    # the kernel computes attention's weights a second time: 10 operations backward for each pair and channel, not 8
    assert found == pytest.approx(flops_per_token(task.model, recipe.model.context), rel=0.03)  # type: ignore[arg-type]


def test_adamw_keeps_two_numbers_for_each_weight() -> None:
    recipe = _small()
    task = made_up_task(recipe, ALONE)
    assert task is not None
    memory = counted(task, recipe.training).memory
    assert memory.gradients == memory.weights
    assert memory.optimizer == pytest.approx(2 * memory.weights, rel=0.01)


@pytest.mark.parametrize("name", ["smollm2-135m", "qwen3-0.6b", "llama-7b", "transformer-big"])
def test_every_kind_of_architecture_is_counted_by_its_shapes(name: str) -> None:
    recipe = published_recipe(name)
    assert recipe is not None
    shapes = FakeTensorMode()
    task = made_up_task(recipe, ALONE, shapes)
    assert task is not None
    found = counted(task, recipe.training, shapes=shapes)
    assert found.memory.weights == sum(4 * parameter.numel() for parameter in task.model.parameters())
    assert found.memory.activations > 0


def test_a_published_size_takes_no_memory() -> None:
    recipe = published_recipe("gpt3-175b")
    assert recipe is not None
    shapes = FakeTensorMode()
    task = made_up_task(recipe, ALONE, shapes)
    assert task is not None
    found = counted(task, recipe.training, shapes=shapes)
    parameters = sum(parameter.numel() for parameter in task.model.parameters())
    assert parameters == pytest.approx(175e9, rel=0.01)  # Brown et al. 2020, table 2.1
    assert found.memory.weights == 4 * parameters
    assert found.flops / task.size(0) == pytest.approx(6 * parameters, rel=0.1)
