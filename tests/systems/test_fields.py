"""Fields of a recipe by name: found, refused with what exists, and set with the recipe's own validation."""

from __future__ import annotations

from typing import Any

import pytest

from kqv.errors import Error
from kqv.systems.digits.recipes import digits
from kqv.systems.fields import path_of, split_values, with_fields
from kqv.systems.gpt.recipes import nanogpt_cpu
from kqv.systems.translation.recipes import numbers_dates
from kqv.training.plans import Recipe


@pytest.mark.parametrize(
    ("recipe", "name", "path"),
    [
        (nanogpt_cpu(), "score", "model.score"), (nanogpt_cpu(), "model.score", "model.score"),
        (nanogpt_cpu(), "weight_decay", "training.weight_decay"), (numbers_dates(), "smoothing", "loss.smoothing"),
        (numbers_dates(), "bpe_dropout", "bpe_dropout"), (numbers_dates(), "bucket_width", "data.bucket_width"),
        (digits(), "activation", "model.activation"),
        (digits(), "width", "width"), (nanogpt_cpu(), "layers", "layers"), (digits(), "dropout", "dropout"),
    ],
)  # fmt: skip
def test_a_field_is_found_by_its_path_or_its_end(recipe: Recipe, name: str, path: str) -> None:
    assert path_of(recipe, name) == path


def test_what_does_not_exist_is_refused_with_what_does() -> None:
    with pytest.raises(Error, match=r"the recipe nanogpt-cpu has no field 'scor'; it has: .*model\.score") as failure:
        path_of(nanogpt_cpu(), "scor")
    assert "learning_rate" in str(failure.value)
    assert "teacher" not in str(failure.value).partition("as in kqv train")[2]


@pytest.mark.parametrize("name", ["training.seed", "name", "system", "training.first_weights"])
def test_what_a_comparison_sets_itself_is_refused(name: str) -> None:
    with pytest.raises(Error, match="a comparison sets it itself"):
        path_of(digits(), name)


@pytest.mark.parametrize(
    ("path", "word", "value"),
    [("model.activation", "sigmoid", "sigmoid"), ("training.weight_decay", "0.5", 0.5),
     ("model.hidden", "[30,30]", (30, 30)), ("training.clip", "null", None), ("data.train", "100", 100)],
)  # fmt: skip
def test_a_word_is_read_as_the_fields_own_kind(path: str, word: str, value: Any) -> None:
    changed, _ = with_fields(digits(), {path: word})
    part, field = path.split(".")
    assert getattr(getattr(changed, part), field) == value


def test_a_value_that_cannot_be_is_refused_by_the_recipes_own_validation() -> None:
    with pytest.raises(Error, match=r"model.activation cannot be step: .*'sigmoid'"):
        with_fields(digits(), {"model.activation": "step"})
    with pytest.raises(Error, match=r"model.score cannot be cubed: .*choose one of: dot"):
        with_fields(nanogpt_cpu(), {"model.score": "cubed"})


def test_flags_of_training_are_left_to_the_system() -> None:
    recipe, changes = with_fields(nanogpt_cpu(), {"width": "64", "model.norm": "rms"})
    assert recipe.model.norm == "rms"
    assert (recipe.model.width, changes.width) == (128, 64)


def test_commas_in_brackets_belong_to_a_value() -> None:
    assert split_values("dot, squared") == ["dot", "squared"]
    assert split_values("[30],[30,30]") == ["[30]", "[30,30]"]
