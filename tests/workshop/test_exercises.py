"""Every exercise: the reference passes, each typical mistake gets its name, the template says what is wanted."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from importlib import invalidate_caches
from pathlib import Path

import numpy as np
import pytest

from kqv.errors import Error
from kqv.workshop import exercises as room
from kqv.workshop.catalogue import exercise, exercises, names
from kqv.workshop.comparison import parts
from kqv.workshop.diagnosis import judge
from kqv.workshop.encoding import decode
from kqv.workshop.exercise import Case, Function, Mistake, Provided, Value
from kqv.workshop.learner import answers, try_cases
from kqv.workshop.template import solution, template

FUNCTIONS = [function for name in names() for function in exercise(name).functions]
MISTAKES = [(function, mistake) for function in FUNCTIONS for mistake in function.mistakes]
by_name = pytest.mark.parametrize("name", names())
by_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def called(function: Function, case: Case) -> object:
    """What the reference gives for a try."""
    given = [value.function() if isinstance(value, Provided) else value for value in case.inputs.values()]
    return function.reference(*given)


@by_function
def test_the_reference_passes_every_try(function: Function) -> None:
    verdict = judge(function, try_cases(function.reference, function.tries))
    assert verdict.passed
    assert verdict.right == verdict.tries == len(function.tries)


@pytest.mark.parametrize(
    ("function", "mistake"), MISTAKES, ids=[f"{function.name}: {mistake.name}" for function, mistake in MISTAKES]
)
def test_each_mistake_gets_its_own_diagnosis(function: Function, mistake: Mistake) -> None:
    finding = judge(function, try_cases(mistake.function, function.tries)).finding
    assert finding is not None
    assert (finding.mistake, finding.advice) == (mistake.name, mistake.advice)


@by_function
def test_a_mistake_is_told_from_the_others_by_its_name(function: Function) -> None:
    names = [mistake.name for mistake in function.mistakes]
    assert len(names) >= 3
    assert len(set(names)) == len(names)


@by_function
def test_the_shown_arithmetic_gives_every_number_of_the_reference(function: Function) -> None:
    for case in function.tries:
        for position, part in enumerate(parts(function, called(function, case))):
            content = np.asarray(part.content)
            shown = [function.derive(case.inputs, position, index).value() for index in np.ndindex(*content.shape)]
            np.testing.assert_allclose(shown, content.reshape(-1), rtol=1e-10, atol=1e-12, err_msg=part.name)


@by_function
def test_the_named_dimensions_are_those_of_the_reference(function: Function) -> None:
    assert list(inspect.signature(function.reference).parameters) == [value.name for value in function.takes]
    for case in function.tries:
        assert len(case.inputs) == len(function.takes)
        for part in parts(function, called(function, case)):
            assert np.ndim(part.content) == len(part.value.axes), part.name
        for value, content in zip(function.takes, case.inputs.values(), strict=True):
            if value.axes:
                for array in content if value.many else [content]:
                    assert array.ndim == len(value.axes)
                    assert all(size == 1 for size, axis in zip(array.shape, value.axes, strict=True) if axis == "1")


@by_name
def test_the_template_is_empty_and_names_everything(name: str, tmp_path: Path) -> None:
    chosen, path = exercise(name), tmp_path / f"{name}.py"
    text = template(chosen)
    for function in chosen.functions:
        for value in (*function.takes, *function.gives):
            assert f" {value.name} " in text
            assert f"{value.shape_text}: {value.meaning}" in text
    assert chosen.source in text.replace("\n", " ")
    assert f"kqv rebuild check {name}" in text
    path.write_text(text, encoding="utf-8")
    said = list(answers(path, chosen.functions))
    assert said == [{"function": function.name, "empty": True} for function in chosen.functions]


@by_name
def test_the_template_is_python_whose_comments_are_whole(name: str) -> None:
    chosen = exercise(name)
    for option in ("", " --folder 'somewhere else'"):
        text = template(chosen, option)
        ast.parse(text)
        lines = text.splitlines()
        assert all(line in lines for line in chosen.imports.splitlines())
        assert max(map(len, lines)) <= 110
        described = (ast.get_docstring(ast.parse(text), clean=False) or "").rstrip().splitlines()
        assert f"    {chosen.functions[0].formula.split(';  ')[0]}" in described
        assert described[-1].endswith(f"kqv rebuild hint {name}{option}")


@by_name
def test_the_solution_runs_by_itself_and_passes(name: str, tmp_path: Path) -> None:
    chosen, path = exercise(name), tmp_path / f"{name}.py"
    path.write_text(solution(chosen), encoding="utf-8")
    outcomes = {event["function"]: event["outcomes"] for event in answers(path, chosen.functions) if len(event) > 1
                and "outcomes" in event}  # fmt: skip
    assert all(judge(function, outcomes[function.name]).passed for function in chosen.functions)


@by_name
def test_the_solution_keeps_the_first_line_of_the_template(name: str) -> None:
    chosen = exercise(name)
    for function in chosen.functions:
        assert f"def {function.call}:\n" in template(chosen)
        assert f"def {function.call}:\n" in solution(chosen)
    assert "noqa" not in solution(chosen)


@by_name
def test_three_hints_and_a_training(name: str) -> None:
    assert len(set(exercise(name).hints)) == 3
    training = exercise(name).training
    assert training.part
    assert training.with_epochs(2, "mnist").epochs == 2
    assert training.with_epochs(None, "mnist").epochs <= training.with_epochs(None, None).epochs == training.epochs


@by_function
def test_tries_are_the_same_every_time(function: Function) -> None:
    def arrays(case: Case) -> list[object]:
        return [np.asarray(part).tolist() for value in case.inputs.values() if not isinstance(value, Provided)
                for part in (value if isinstance(value, list) and not isinstance(value[0], tuple) else [])]  # fmt: skip

    assert [arrays(case) for case in function.cases()] == [arrays(case) for case in function.tries]
    assert [decode(outcome["result"]) is not None for outcome in try_cases(function.reference, function.tries)]


def test_an_unknown_exercise_is_named_with_the_nearest_one() -> None:
    with pytest.raises(Error, match=r"did you mean backprop\?"):
        exercise("bakprop")


DROPPED_IN = """
import numpy as np

from kqv.workshop.exercise import Case, Exercise, Function, Mistake, Training, Value, operand


def relu(z):
    return np.maximum(z, 0)


Z = Value("z", "out 1", "what comes into the neurons")
FUNCTION = Function(
    relu, "a = max(z, 0)", (Z,), (Value("a", "out 1", "the activations"),),
    lambda: [Case("a column", {"z": np.array([[0.5], [-1.0]])})],
    lambda inputs, position, index: operand("z", inputs["z"])[index] * float(inputs["z"][index] > 0),
    (Mistake("the absolute value", "negative numbers become 0", np.abs),),
)
EXERCISE = Exercise(
    name="relu", order=15, title="a hinge", task="Write the hinge.", functions=(FUNCTION,), hints=("a", "b", "c"),
    source="Nair and Hinton 2010", training=Training("nothing yet"),
)
"""


@pytest.fixture
def dropped_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files count as if they lay in kqv/workshop/exercises."""
    known = set(sys.modules)
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(tmp_path)])
    exercises.cache_clear()
    yield tmp_path
    exercises.cache_clear()
    for name in set(sys.modules) - known:
        if name.startswith(room.__name__):
            del sys.modules[name]


def test_a_file_dropped_into_the_folder_is_an_exercise(dropped_in: Path) -> None:
    before = names()
    (dropped_in / "relu.py").write_text(DROPPED_IN)
    exercises.cache_clear()
    invalidate_caches()
    assert names() == [*before[:1], "relu", *before[1:]]
    assert "def relu(z):" in template(exercise("relu"))
    with pytest.raises(Error, match=r"did you mean relu\?"):
        exercise("relo")
    function = exercise("relu").functions[0]
    assert judge(function, try_cases(function.reference, function.tries)).passed


@pytest.mark.parametrize("text", ["", DROPPED_IN, "EXERCISE = 3"])
def test_a_file_that_is_no_exercise_of_its_name_is_named(dropped_in: Path, text: str) -> None:
    (dropped_in / "other.py").write_text(text)
    invalidate_caches()
    with pytest.raises(ValueError, match=r"exercises/other must define EXERCISE = Exercise\(name='other'"):
        names()


def test_a_dimension_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="neurons"):
        Value("z", "neurons 1", "no such dimension")
