"""docs/findings.md: every question can be asked, and the page is what the kept answers say."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from kqv.cli.main import app
from kqv.experiments.compare import ask
from kqv.experiments.question import variants_of
from kqv.systems.fields import split_values, with_fields
from kqv.systems.system import system_named

DOCS = Path(__file__).parent.parent / "docs"


def findings() -> ModuleType:
    specification = importlib.util.spec_from_file_location("findings", DOCS / "findings.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["findings"] = module
    specification.loader.exec_module(module)
    return module


FINDINGS = findings()
ALL = [finding for part in FINDINGS.parts().values() for finding in part]


def typed(command: str) -> dict[str, Any]:
    """The options of a `kqv compare` command."""
    program, verb, *words = shlex.split(command)
    assert (program, verb) == ("kqv", "compare")
    compare: Any = typer.main.get_command(app)
    return dict(compare.commands["compare"].make_context("compare", words).params)


@pytest.mark.parametrize("finding", ALL, ids=lambda finding: finding.name)
def test_a_question_can_be_asked(finding: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DOCS.parent)
    given = typed(finding.command)
    varied = {field: split_values(values) for field, _, values in (text.partition("=") for text in given["vary"] or [])}
    recipes = [given["recipe"]] if given["recipe"] else []
    question, _ = ask(given["what"], {"vary": varied, "recipes": recipes, "data": given["data"]})
    system = system_named(question.system)
    names = question.recipes or (None,)
    variants = variants_of(question, {name: system.recipe_named(name) for name in names})
    assert len(variants) > 1
    for variant in variants:
        with_fields(system.recipe_named(variant.recipe), variant.settings)  # which refuses what cannot be
    assert finding.about.strip()
    assert finding.limits.strip()


def test_the_page_is_what_the_kept_answers_say() -> None:
    assert FINDINGS.PAGE.read_text(encoding="utf-8") == FINDINGS.page()
    answered = [finding for finding in ALL if finding.answer_file.exists()]
    assert answered
    assert all(finding.picture.exists() for finding in answered)
    assert all(finding.maps.exists() for finding in answered if finding.attention)


def test_an_answer_without_a_question_is_not_kept() -> None:
    names = {finding.name for finding in ALL}
    assert {path.stem for path in FINDINGS.FOLDER.glob("*.json")} <= names
