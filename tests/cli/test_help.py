"""Help: every command has an example, and each example is one that the command line understands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

from kqv import __version__
from kqv.cli.main import app
from kqv.systems.digits.recipes import DIGITS_RECIPES
from kqv.systems.gpt.recipes import GPT_RECIPES

Kqv = Callable[..., Any]


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*words, name))


ALL = list(commands(typer.main.get_command(app)))


def test_all_commands_are_found() -> None:
    names = {" ".join(words) for words, _ in ALL}
    assert names >= {"", "train", "train digits", "evaluate", "classify", "trace", "runs", "data", "data list", "tour"}


@pytest.mark.parametrize("words", [words for words, _ in ALL], ids=" ".join)
def test_help_has_an_example_that_can_be_parsed(words: tuple[str, ...], kqv: Kqv) -> None:
    shown = kqv(*words, "--help")
    assert shown.status == 0
    example = re.search(r"Example: kqv (.+)", shown.out)
    assert example, "every help needs an example"
    given = shlex.split(example.group(1))
    assert tuple(given[: len(words)]) == words
    command, context = ALL[0][1], None
    while True:  # each group takes its own words and leaves the rest; a word that it does not know is an error
        context = command.make_context(command.name, given, parent=context)
        if not hasattr(command, "commands"):
            break
        name, *given = [*context._protected_args, *context.args]
        command = command.commands[name]


@pytest.mark.parametrize("words", [words for words, _ in ALL], ids=" ".join)
def test_help_explains_every_option(words: tuple[str, ...]) -> None:
    command = dict(ALL)[words]
    assert command.help
    for parameter in command.params:
        assert parameter.name == "help" or getattr(parameter, "help", None), f"{words} {parameter.name}"


@pytest.mark.parametrize(("system", "recipes"), [("digits", DIGITS_RECIPES), ("gpt", GPT_RECIPES)])
def test_help_names_every_recipe(system: str, recipes: dict[str, Any], kqv: Kqv) -> None:
    shown = " ".join(kqv("train", system, "--help").out.replace("│", " ").split())
    for name in recipes:
        assert re.search(rf"[ ,:]{name}[ ,.]", shown), f"{name} is missing in the help of --recipe"


def test_version(kqv: Kqv) -> None:
    shown = kqv("--version")
    assert (shown.status, shown.out) == (0, f"kqv {__version__}\n")


def test_help_loads_nothing_heavy(ended: Callable[..., Any]) -> None:
    code = (
        "import sys\n"
        "from kqv.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: sys.exit(', '.join({'torch', 'numpy', 'sklearn', 'scipy'} & set(sys.modules)) or 0)\n"
    )
    import sys

    for words in (["--help"], ["train", "digits", "--help"], ["--version"]):
        shown = ended(*words, before=[sys.executable, "-c", code])
        assert (shown.status, shown.err) == (0, "")


def test_a_terminal_that_lacks_signs_gets_question_marks(ended: Callable[..., Any]) -> None:
    shown = ended("data", "list", PYTHONIOENCODING="ascii")
    assert shown.status == 0, shown.err
    assert "8?8" in shown.out
