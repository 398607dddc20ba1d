"""One vocabulary: its page is complete and true, and what users read keeps to it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kqv.dimensions import VOCABULARY

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "vocabulary.md").read_text(encoding="utf-8")

REFUSED = {
    "place (of a token)": r"(?<!in )(?<!take the )(?<!takes the )(?<!takes its )(?<!take its )(?<!taking the )"
    r"(?<!in its )(?<!takes the path's )(?<!takes the file's )\bplaces?\b(?! of)",
    "form (of a model)": r"\b(GPT-?2|[Qq]wen3?|[Ll]lama)(['’]s)? form\b|\bform of (a |the )?(model|GPT|Qwen|Llama)",
    "learned by heart": r"\bby heart\b",
    "go on with, take up (a run)": r"\b(go(es)?|going) on with\b|\bgoing on\b|\brun (that )?goes on\b|\bhow to go on\b"
    r"|\b(take|taken|takes|taking) up\b|\bto go on\b",
    "no number": r"\b(is|are|has|have|be) no numbers?\b|\bno numbers? any more\b",
    "share (that softmax gives)": r"\bshares of (one|the whole|a whole|confidence)\b|\b(kept|largest|right) shares?\b"
    r"|\b(become|becomes|into|gives?) shares\b",
}
"""Words that are not used: their row on the page, and how they are found. In code `in place` and what takes
another's place are something else."""


def rows(heading: str) -> list[list[str]]:
    """The rows of the table under a heading of the page."""
    part = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


TERMS = [
    row
    for heading in ("Networks and training", "Text and attention", "Translation", "kqv's own")
    for row in rows(heading)
]


def code_texts() -> Iterator[tuple[str, str]]:
    """Every text in the package's code, docstrings included, with where it is."""
    for path in sorted((ROOT / "kqv").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def page_texts() -> Iterator[tuple[str, str]]:
    """The README and the guide, without what programs printed and without code."""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]:
        prose = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for number, paragraph in enumerate(prose.split("\n\n"), 1):
            yield f"{path.relative_to(ROOT)}, paragraph {number}", re.sub(r"`[^`]*`", "", paragraph)


def refused(texts: Iterator[tuple[str, str]], word: str) -> list[str]:
    """Where a refused word stands."""
    plain = [(where, re.sub(r"\s+", " ", text)) for where, text in texts]
    return [
        f"{where}: …{text[max(0, match.start() - 40) : match.end() + 40]}…"
        for where, text in plain
        for match in re.finditer(REFUSED[word], text)
    ]


@pytest.mark.parametrize("word", REFUSED)
def test_no_text_of_the_code_uses_a_refused_word(word: str) -> None:
    found = refused(code_texts(), word)
    assert not found, "\n".join([f"not: {word}; see docs/vocabulary.md", *found])


@pytest.mark.parametrize("word", REFUSED)
def test_no_page_uses_a_refused_word(word: str) -> None:
    found = refused(page_texts(), word)
    assert not found, "\n".join([f"not: {word}; see docs/vocabulary.md", *found])


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("place (of a token)", "the token's place in the text"),
        ("place (of a token)", "all places"),
        ("form (of a model)", "it has GPT-2's form"),
        ("learned by heart", "a text learned by heart"),
        ("go on with, take up (a run)", "say how to go on"),
        ("go on with, take up (a run)", "go on with it"),
        ("no number", "the loss is no number any more"),
        ("share (that softmax gives)", "numbers become shares of one whole"),
    ],
)
def test_refused_words_are_found(word: str, text: str) -> None:
    assert re.search(REFUSED[word], text)


@pytest.mark.parametrize(
    "text", ["changed in place", "a in place of z", "takes the place of kqv's operation", "heads share their keys"]
)
def test_what_only_looks_like_a_refused_word_is_left_alone(text: str) -> None:
    assert not any(re.search(pattern, text) for pattern in REFUSED.values())


def test_the_page_names_every_refused_word() -> None:
    assert [row[0] for row in rows("Not used")] == list(REFUSED)


def test_the_dimensions_are_those_of_the_code() -> None:
    assert {name.strip("`"): meaning for name, meaning in rows("Dimensions")} == VOCABULARY


def test_every_term_is_explained_once_and_met_somewhere() -> None:
    names = [name for name, *_ in TERMS]
    assert len(set(names)) == len(names)
    assert all(len(row) == 4 and row[1] and row[3] for row in TERMS)


@pytest.mark.parametrize("where", sorted({where for *_, where in TERMS}))
def test_where_a_term_is_met_exists(where: str) -> None:
    named = where.strip("`")
    if named.startswith("kqv/"):
        assert (ROOT / named).exists()
        return
    reference = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    words = named.split()
    flags = [word for word in words if word.startswith("--")]
    command = " ".join(words[: len(words) - len(flags)])
    exercise = command.removeprefix("kqv rebuild ")
    assert command in reference or (ROOT / "kqv" / "workshop" / "exercises" / f"{exercise}.py").exists() or (
        ROOT / "kqv" / "workshop" / "exercises" / exercise
    ).is_dir()  # fmt: skip
    assert all(flag in reference for flag in flags)
