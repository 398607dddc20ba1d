"""The real training with a learner's functions: it is they that compute, and the network learns to read digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kqv import operations
from kqv.errors import Error
from kqv.workshop import training
from kqv.workshop.catalogue import exercise, names
from kqv.workshop.engine import train
from kqv.workshop.process import Limits
from kqv.workshop.template import solution

COUNTING = """

CALLS = {{}}


def counting(function):
    def call(*inputs):
        CALLS[function.__name__] = CALLS.get(function.__name__, 0) + 1
        return function(*inputs)

    return call


{lines}
"""


def written(folder: Path, name: str, more: str = "") -> Path:
    """The solution as a learner's file."""
    path = folder / f"{name}.py"
    path.write_text(solution(exercise(name)) + more, encoding="utf-8")
    return path


def events(name: str, path: Path, epochs: int | None = None) -> list[dict[str, Any]]:
    """What a training in this process tells."""
    told: list[dict[str, Any]] = []
    train({"exercise": name, "data": None, "epochs": epochs}, path, told.append)
    return told


@pytest.mark.parametrize("name", names())
def test_every_exercise_trains_the_network_with_the_learners_functions(name: str, tmp_path: Path) -> None:
    import sys

    names = [function.name for function in exercise(name).functions]
    path = written(tmp_path, name, COUNTING.format(lines="\n".join(f"{each} = counting({each})" for each in names)))
    before = {operation.name: operation.pair for operation in operations.OPERATIONS.values()}
    told = events(name, path)
    assert told[-1]["accuracy"] >= 0.9, told[-1]
    assert [event["epoch"] for event in told if "epoch" in event] == list(range(1, exercise(name).training.epochs + 1))
    assert set(sys.modules["learner"].CALLS) == set(names)
    assert {operation.name: operation.pair for operation in operations.OPERATIONS.values()} == before


def test_backprop_and_update_mini_batch_see_every_example(tmp_path: Path) -> None:
    import sys

    events("backprop", written(tmp_path, "backprop", COUNTING.format(lines="backprop = counting(backprop)")), 1)
    assert sys.modules["learner"].CALLS == {"backprop": 1200}
    lines = "update_mini_batch = counting(update_mini_batch)"
    events("update_mini_batch", written(tmp_path, "update_mini_batch", COUNTING.format(lines=lines)), 1)
    assert sys.modules["learner"].CALLS == {"update_mini_batch": 120}


def test_a_backprop_without_gradients_learns_nothing(tmp_path: Path) -> None:
    more = "\n\ndef backprop(x, y, weights, biases):\n    return [0 * b for b in biases], [0 * w for w in weights]\n"
    assert events("backprop", written(tmp_path, "backprop", more), 1)[-1]["accuracy"] < 0.5


def test_finite_differences_agree_with_backpropagation(tmp_path: Path) -> None:
    told = events("gradient_check", written(tmp_path, "gradient_check"), 1)
    (apart,) = [event["apart"] for event in told if "apart" in event]
    assert 0 < apart < 1e-6


def test_what_is_raised_in_the_training_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "backprop.py"
    path.write_text("def backprop(x, y, weights, biases):\n    return biases[7]\n")
    (raised,) = [event["raised"] for event in events("backprop", path, 1) if "raised" in event]
    assert (raised["type"], raised["line"]) == ("IndexError", 2)


def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    trained = training.train("backprop", written(tmp_path, "backprop"), epochs=4, heard=heard.append)
    assert trained.accuracy == trained.right / trained.tested > 0.85
    assert [event["epoch"] for event in heard if "epoch" in event] == [1, 2, 3, 4]


def test_a_training_that_cannot_end_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, "backprop", "\n\ndef backprop(x, y, weights, biases):\n    while True: pass\n")
    with pytest.raises(Error, match=r"stopped after 1 s.*It was in line \d+ of backprop.py: while True: pass"):
        training.train("backprop", path, limits=Limits(seconds=1, memory=2**32))


def test_data_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Error, match="no pictures are called 'nothing'"):
        training.train("backprop", written(tmp_path, "backprop"), data="nothing")
