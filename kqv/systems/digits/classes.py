"""`classes.json` of a digit run: the names of the classes, and the pictures' size."""

from __future__ import annotations

from pydantic import PositiveInt, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from kqv.errors import ADVICE, RunError
from kqv.files import write_json
from kqv.systems.digits.recipes import DigitsRecipe
from kqv.training.parsing import one_line, read_json
from kqv.training.run import CLASSES, Run


class Classes(TypedDict):
    """All of the file: the classes in their order, and rows and columns of each picture."""

    classes: list[str]
    rows: PositiveInt
    columns: PositiveInt


def write_classes(run: Run, classes: Classes) -> None:
    """Write the file into a run."""
    write_json(run.path / CLASSES, classes)


def classes_of(run: Run) -> Classes:
    """A run's classes; `RunError` for a run of another system, or a damaged one."""
    run.recipe_of(DigitsRecipe)
    path = run.path / CLASSES
    try:
        return TypeAdapter(Classes).validate_python(read_json(path))
    except ValidationError as failure:
        raise RunError(f"{path} is damaged: {one_line(failure)}; {ADVICE}") from None
