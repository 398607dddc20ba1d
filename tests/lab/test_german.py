"""What the lab says in German: each sentence that Python may say to a page has its German in the page's catalogue."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kqv.http
import kqv.lab
from kqv.lab.pages import WEB
from kqv.workshop.catalogue import exercise, exercises

GERMAN = WEB / "src" / "german"
SPEAKING = ("HTTPException", "no")
"""What an error goes to a page through, beside every class whose name ends with Error."""

pytestmark = pytest.mark.skipif(not GERMAN.is_dir(), reason="needs the sources of the lab's pages")


def catalogue(name: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((GERMAN / f"{name}.json").read_text(encoding="utf-8"))
    return found


def template(node: ast.expr) -> str | None:
    """A text of the source, with `{0}`, `{1}` where values are put in."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if not isinstance(node, ast.JoinedStr):
        return None
    parts, count = [], 0
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        else:
            parts.append(f"{{{count}}}")
            count += 1
    return "".join(parts)


def errors_of(file: Path) -> Iterator[str]:
    """The errors that a file may raise."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name.endswith("Error") or name in SPEAKING:
                texts = [template(argument) for argument in node.args]
                yield from (text for text in texts if text is not None and " " in text)


def test_every_error_of_the_lab_has_its_german() -> None:
    files = [file for part in (kqv.lab, kqv.http) for file in Path(str(part.__file__)).parent.rglob("*.py")]
    said = {error for file in files if "node_modules" not in file.parts for error in errors_of(file)}
    assert len(said) > 50
    assert said - catalogue("errors").keys() == set()


def texts_of(name: str) -> Iterator[str]:
    """What an exercise of ours says."""
    chosen = exercise(name)
    yield from (chosen.title, chosen.task, chosen.training.part, *chosen.hints)
    for function in chosen.functions:
        yield from (
            text for value in (*function.takes, *function.gives) for text in (value.meaning, value.note) if text
        )
        yield from (text for mistake in function.mistakes for text in (mistake.name, mistake.advice))


def test_every_exercise_has_its_german_and_none_is_left_over() -> None:
    said = {text for name in exercises() for text in texts_of(name)}
    assert said == catalogue("exercises").keys()


@pytest.mark.parametrize("name", ["errors", "exercises"])
def test_names_and_numbers_stand_in_both_languages(name: str) -> None:
    for english, german in catalogue(name).items():
        assert sorted(re.findall(r"\{\d\}", english)) == sorted(re.findall(r"\{\d\}", german)), english
