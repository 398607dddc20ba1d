"""What the lab says in German: each sentence that Python may say to a page has its German in the page's catalogue."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_passages import GPTS, TRANSLATORS, bert, gpt, translator

import kqv.http
import kqv.lab
from kqv.errors import Error
from kqv.lab.pages import WEB
from kqv.trace.views.attention import attentions
from kqv.why.why import Why
from kqv.workshop.catalogue import exercise, exercises

GERMAN = WEB / "src" / "german"
SOURCE = Path(kqv.__file__).parent
DEEPER = (
    "why/*.py", "generation/sampling.py", "trace/cells.py", "trace/trace.py", "trace/records.py",
    "trace/views/words.py",
    "systems/*/traced.py", "systems/*/passage.py", "systems/*/sketch.py", "systems/sketch.py", "systems/fields.py",
    "training/plans.py", "experiments/question.py", "experiments/folder.py", "workshop/attempts.py",
    "workshop/checking.py", "workshop/process.py", "workshop/progress.py", "workshop/training.py",
)  # fmt: skip
"""What a page asks of the lab is answered there, so their errors reach it."""
OF_PYTHON = {
    "{0}: {1} {2}", "this trace has recorded already; make a new Trace for another pass",
    "annotate needs the name of a tensor, a dimension, or both",
}  # fmt: skip
"""What only those can do who write Python, and what has no words of its own."""
DIAGNOSING = (
    "exceptions", "comparison", "checking", "diagnosis", "general", "process", "products", "encoding",
    "arithmetic_text",
)  # fmt: skip
SPEAKING = ("HTTPException", "no")
"""What an error goes to a page through, beside every class whose name ends with Error."""

pytestmark = pytest.mark.skipif(not GERMAN.is_dir(), reason="needs the sources of the lab's pages")


def catalogue(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GERMAN / f"{name}.json").read_text(encoding="utf-8"))
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


def test_errors_from_deeper_down_have_their_german() -> None:
    said = {error for pattern in DEEPER for file in sorted(SOURCE.glob(pattern)) for error in errors_of(file)}
    assert len(said) > 60
    assert said - OF_PYTHON - catalogue("errors").keys() == set()


def sentences_of(file: Path) -> Iterator[str]:
    """The texts of a file that are words: no docstrings, no patterns of regular expressions, no errors."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    passed = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            passed |= {id(part) for part in ast.walk(node) if part is not node}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Error":
            passed |= {id(part) for part in ast.walk(node)}
    for node in ast.walk(tree):
        text = template(node) if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in passed else None
        letters = re.sub(r"\{\d\}", "", text or "")
        if text and re.search(r"[a-z]{2,}.* | .*[a-z]{2,}", letters.strip(" ")) and not PATTERN.search(text):
            yield text


PATTERN = re.compile(r"\\[wdn]|\.\*|\||^\{0\}\\n")
"""What regular expressions have, and no sentence."""
NO_SENTENCES = {
    "list index out of range", "operands could not be broadcast", "inhomogeneous shape", "must be square",
    "EOF when reading a line", "object is not callable", "truth value of an array", "not a number",
    "numpy array of object", "{0}\n… {1} more bytes",
}  # fmt: skip
"""What Python's own messages are known by, names of kinds, and what a learner's own program printed."""


def test_every_finding_has_its_german() -> None:
    said = {text for name in DIAGNOSING for text in sentences_of(SOURCE / "workshop" / f"{name}.py")}
    said = {f"{{0}}{text}" if text.startswith(": ") else text for text in said - NO_SENTENCES}
    assert len(said) > 90
    assert said - catalogue("findings").keys() == set()


def passes() -> Iterator[Why]:
    """Passes of models of every kind."""
    yield from (Why(gpt(name)) for name in GPTS)
    yield from (Why(translator(name)) for name in TRANSLATORS)
    yield Why(bert())


def parts_of(why: Why) -> Iterator[str]:
    """The parts of a pass in words: those that can be changed, those of a token's split, those of each score."""
    yield from why.parts()
    if why.passage.vocabulary is not None:
        yield from (part.words for part in why.token().parts)
    for attention in attentions(why.trace):
        try:
            split = why.score(f"{attention.module}.scores[0,0,1,0]")
        except Error:  # it has no split
            continue
        yield from (part.words for part in (*split.query_parts, *split.key_parts))


def test_every_part_and_every_change_of_a_model_has_its_german() -> None:
    known = catalogue("parts")
    said = {word for why in passes() for part in parts_of(why) for word in re.sub(r"“.*”", "", part).split()}
    assert {word for word in said if not word.isdigit()} == known["words"].keys()
    why = Why(gpt("gpt2"))
    head = "block 0 head 1"
    changes = (
        why.without(head), why.mean(head), why.taken(head, "good pizza"), why.hidden("it", "pizza"),
        why.hidden("it", "pizza", head),
    )  # fmt: skip
    for changed, pattern in zip(changes, known["changes"], strict=True):
        assert re.fullmatch(re.sub(r"\\\{\d\\\}", "(.+)", re.escape(pattern)), changed.words), changed.words
    assert why.without(head, "it").words == f"without {head} at “it”"


def texts_of(name: str) -> Iterator[str]:
    """What an exercise of ours says."""
    chosen = exercise(name)
    yield from (chosen.title, chosen.task, chosen.training.part, *chosen.hints)
    for function in chosen.functions:
        yield from (
            text for value in (*function.takes, *function.gives) for text in (value.meaning, value.note) if text
        )
        yield from (case.title for case in function.tries)
        yield from (text for mistake in function.mistakes for text in (mistake.name, mistake.advice))


def test_every_exercise_has_its_german_and_none_is_left_over() -> None:
    said = {text for name in exercises() for text in texts_of(name)}
    assert said == catalogue("exercises").keys()


@pytest.mark.parametrize("name", ["errors", "exercises", "findings"])
def test_names_and_numbers_stand_in_both_languages(name: str) -> None:
    for english, german in catalogue(name).items():
        assert sorted(re.findall(r"\{\d\}", english)) == sorted(re.findall(r"\{\d\}", german.replace("!", ""))), english
