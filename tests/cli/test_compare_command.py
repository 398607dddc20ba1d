"""`kqv compare`: the table, the sentence, the files; what is refused; and where the old command points."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kqv.experiments.saved import SAVED
from kqv.training.run import Run

Kqv = Callable[..., Any]
WORDS = ("compare", "digits", "--vary", "activation=sigmoid,relu", "--vary", "width=8", "--seeds", 2, "--steps", 8)


@pytest.mark.parametrize("name", SAVED)
def test_a_saved_question_is_asked_by_name(name: str, kqv: Kqv, here: Path) -> None:
    question = SAVED[name]()
    done = kqv("compare", name, "--data", "digits8x8", "--seeds", 1, "--steps", 20, "--out", "out")
    assert done.status == 0
    assert question.question in done.out
    assert question.explanation in " ".join(done.out.split())
    answer = json.loads(Path("out/answer.json").read_text())
    for label, settings in question.variants.items():
        assert " ".join(label.split()[:1]) in done.out
        run = next(run for run in answer["variants"] if run["variant"] == label)
        assert run["settings"].keys() == settings.keys()
        assert Run(Path(run["runs"][0])).recipe.training.steps == 20
    assert Path("out/curves.png").is_file()
    assert "runs in out" in done.err


def test_the_answer_is_said_and_the_same_command_says_it_again(kqv: Kqv, here: Path) -> None:
    done = kqv(*WORDS)
    lines = done.out.splitlines()
    assert lines[1].split() == ["accuracy,", "%", "spread", "difference,", "95", "%", "seconds", "parameters"]
    answer = json.loads(Path("runs/compare-digits-activation-width-1/answer.json").read_text())
    for line, variant in zip(lines[2:4], answer["variants"], strict=True):
        assert line.startswith(variant["variant"])
        assert f"{100 * variant['mean']:.2f}" in line
        assert f"{variant['parameters']:,}" in line
    assert answer["variants"][1]["sentence"] in " ".join(done.out.split())
    assert "4 of 4: " in done.err
    assert "left" in done.err
    again = kqv(*WORDS)
    assert again.out == done.out
    assert "seed 1" not in again.err, "nothing is trained again"
    assert [path.name for path in Path("runs").iterdir()] == ["compare-digits-activation-width-1"]
    assert kqv("compare", "runs/compare-digits-activation-width-1", "--json").json == answer


def test_a_question_is_read_from_a_file(kqv: Kqv, here: Path) -> None:
    Path("mine.toml").write_text(
        'system = "digits"\nname = "mine"\nseeds = 1\nsteps = 3\n[base]\n"model.hidden" = [4]\n'
        '[vary]\noptimizer = ["adamw", "muon"]\n'
    )
    said = kqv("compare", "mine.toml", "--json").json
    assert [variant["variant"] for variant in said["variants"]] == ["adamw", "muon"]
    assert said["folder"] == "runs/compare-mine-1"
    assert kqv("compare", "runs/compare-mine-1/question.json", "--json").json == said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("digits",), "nothing is varied; say what with --vary FIELD=A,B or --recipe A,B"),
        (("digits", "--vary", "activation"), "--vary takes a field and its values, as in --vary score=dot,squared"),
        (("digits", "--vary", "activation=step,relu"), "model.activation cannot be step"),
        (("digits", "--vary", "kernel=3,5"), "the recipe digits has no field 'kernel'; it has: "),
        (("digits", "--vary", "seed=1,2"), "has no field 'seed'"),
        (
            ("gtp", "--vary", "score=dot"),
            "nothing to compare under the name 'gtp'; give a system (digits, adder, gpt",
        ),
        (("digits", "--vary", "activation=relu,sigmoid", "--steps", "3", "--minutes", "1"), "give one of them"),
        (("digits", "--recipe", "digits,nope"), "there is no recipe 'nope' for digits"),
        (("broken.toml",), "broken.toml holds no question: it is not TOML"),
        (("wrong.json",), "wrong.json: there is no system 'digit'; choose one of: digits"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(words: tuple[str, ...], says: str, kqv: Kqv, here: Path) -> None:
    Path("broken.toml").write_text("system = ")
    Path("wrong.json").write_text('{"system": "digit", "vary": {"activation": ["relu", "sigmoid"]}}')
    assert says in kqv("compare", *words).problem
    assert not list(Path("runs").glob("*"))


def test_whole_recipes_are_compared(kqv: Kqv, here: Path) -> None:
    words = ("compare", "digits", "--recipe", "digits,nielsen", "--data", "digits8x8", "--seeds", 1, "--steps", 3)
    said = kqv(*words, "--json").json
    assert [variant["variant"] for variant in said["variants"]] == ["digits", "nielsen"]
    assert "of another shape" in said["variants"][1]["unpaired_parameters"]


@pytest.mark.parametrize("name", SAVED)
def test_training_points_to_where_the_experiments_are(name: str, kqv: Kqv, here: Path) -> None:
    said = kqv("train", "digits", "--recipe", name).problem
    assert said.endswith(f"{name} is a question that several trainings answer; ask it with: kqv compare {name}")
