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
from spoken import SOURCE, errors_of, template

import kqv.http
import kqv.lab
from kqv.data.text.streams import MARKS
from kqv.dimensions import VOCABULARY
from kqv.errors import Error
from kqv.files import _REASONS
from kqv.lab.pages import WEB
from kqv.systems.system import SYSTEMS, system_named
from kqv.trace.views.attention import attentions
from kqv.why.why import Why
from kqv.workshop.catalogue import exercise, exercises

GERMAN = WEB / "src" / "german"
DEEPER = (
    "why/*.py", "trace/cells.py", "trace/kept.py", "trace/records.py", "trace/trace.py", "trace/update.py",
    "trace/views/attention.py", "trace/views/words.py", "generation/[b-e]*.py", "generation/generate.py",
    "generation/obstacles.py", "generation/s*.py", "generation/weights.py", "models/c[ho]*.py", "models/heads.py",
    "models/layers.py", "models/masks.py", "models/network.py", "models/requirements.py", "data/*.py",
    "data/text/*.py", "data/parallel/*.py", "data/sets/[mn]*.py", "interchange/assembly.py", "interchange/bert.py",
    "interchange/conf*.py", "interchange/gguf.py", "interchange/gguf_[cfp]*.py", "interchange/gguf_tensors.py",
    "interchange/gguf_tokenizer.py", "interchange/hub.py", "interchange/library_tokenizer.py",
    "interchange/tensor_files.py", "systems/*.py", "systems/*/*.py", "training/*.py", "training/optimizers/*.py",
    "experiments/*.py", "files/*.py", "tensors.py", "fitting.py", "workshop/attempts.py", "workshop/catalogue.py",
    "workshop/checking.py", "workshop/desk.py", "workshop/process.py", "workshop/progress.py", "workshop/training.py",
    "cli/compare.py", "cli/failures.py", "cli/training.py",
)  # fmt: skip
"""What a page asks of the lab is answered there, or by a command that the lab starts, so their errors reach it."""
OF_PYTHON = {
    "this trace has recorded already; make a new Trace for another pass", "the plan's steps are not resolved",
    "annotate needs the name of a tensor, a dimension, or both", "the splits meet within the text",
    "this update has no weight, gradient, state or setting named {0}",
    "exercises/{0} must define EXERCISE = Exercise(name={1}, …)", "parts of {0} rows do not make up a matrix of {1}",
    "xcode-select --install", "train() takes no {0}; the changes to a recipe are: {1}",
    "translate takes one sentence, a text; got a {0}: "
    "for several, [model.translate(sentence) for sentence in sentences]",
}  # fmt: skip
"""What only those can do who write Python."""
DIAGNOSING = (
    "exceptions", "comparison", "checking", "diagnosis", "general", "process", "products", "encoding",
    "arithmetic_text",
)  # fmt: skip
pytestmark = pytest.mark.skipif(not GERMAN.is_dir(), reason="needs the sources of the lab's pages")


def catalogue(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GERMAN / f"{name}.json").read_text(encoding="utf-8"))
    return found


def errors() -> dict[str, str]:
    """The errors with their German, from all files, none of which has the same."""
    files = [catalogue(f"errors/{file.stem}") for file in sorted((GERMAN / "errors").glob("*.json"))]
    found = {english: german for each in files for english, german in each.items()}
    assert len(found) == sum(map(len, files)) > 600
    return found


def test_every_error_of_the_lab_has_its_german() -> None:
    files = [file for part in (kqv.lab, kqv.http) for file in Path(str(part.__file__)).parent.rglob("*.py")]
    said = {error for file in files if "node_modules" not in file.parts for error in errors_of(file)}
    assert len(said) > 60
    assert said - errors().keys() == set()


def test_errors_from_deeper_down_have_their_german() -> None:
    said = {error for pattern in DEEPER for file in sorted(SOURCE.glob(pattern)) for error in errors_of(file)}
    assert len(said) > 450
    assert said - OF_PYTHON - errors().keys() - catalogue("findings").keys() == set()


def test_what_stands_in_errors_has_its_german() -> None:
    reasons = set(_REASONS.values()) | {text for kind in MARKS.values() for text in kind}
    said = reasons | {purpose for name in SYSTEMS for purpose in system_named(name).next_steps(Path("runs/one"))}
    assert said - errors().keys() == set()


def sentences_of(file: Path) -> Iterator[str]:
    """The texts of a file that are words: no docstrings, no patterns of regular expressions, no errors."""
    yield from sentences_in(ast.parse(file.read_text(encoding="utf-8")))


def sentences_in(tree: ast.AST) -> Iterator[str]:
    """The same of a part of a file."""
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


NOTING = ("_notes", "length_in_words", "leak_in_words")
"""The functions that make a run's notes."""
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


def test_every_note_has_its_german() -> None:
    files = [*SOURCE.glob("systems/*/*.py"), SOURCE / "models" / "masks.py"]
    assert catalogue("notes").keys() <= {text.rstrip(":") for file in files for text in sentences_of(file)}
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    noting = [one for tree in trees for one in ast.walk(tree) if getattr(one, "name", "") in NOTING]
    said = {text for one in noting for text in sentences_in(one)}
    assert len(said) > 8
    assert said - catalogue("notes").keys() == set()


def test_what_each_dimension_counts_has_its_german() -> None:
    assert catalogue("dimensions").keys() == set(VOCABULARY.values())


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


@pytest.mark.parametrize("name", ["errors", "exercises", "findings", "notes"])
def test_names_and_numbers_stand_in_both_languages(name: str) -> None:
    for english, german in (errors() if name == "errors" else catalogue(name)).items():
        plain = re.sub("[!,]}", "}", german)
        assert sorted(re.findall(r"\{\d\}", english)) == sorted(re.findall(r"\{\d\}", plain)), english
