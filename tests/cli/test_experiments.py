"""`kqv train digits` with an experiment's recipe, and `--plot`: trainings, their figure, and what is said."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kqv.experiments.digits import DIGITS_EXPERIMENTS
from kqv.systems.digits.recipes import DIGITS_RECIPES
from kqv.training.run import Run

Kqv = Callable[..., Any]
PNG = b"\x89PNG"

WORDS = ("--data", "digits8x8", "--steps", 60)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that were written, with all that stands on their axes."""
    from kqv.plots import curves

    figures: list[Any] = []
    save = curves.save_figure

    def remember(figure: Any, path: Path) -> None:
        figures.append(figure)
        save(figure, path)

    monkeypatch.setattr(curves, "save_figure", remember)
    return figures


@pytest.mark.parametrize("name", DIGITS_EXPERIMENTS)
def test_every_variant_is_trained_and_the_figure_is_written(name: str, kqv: Kqv, here: Path, drawn: list[Any]) -> None:
    experiment = DIGITS_EXPERIMENTS[name]()
    done = kqv("train", "digits", "--recipe", name, *WORDS, "--out", "out", "--json")
    assert done.status == 0
    assert done.json.keys() == {"experiment", "variants", "figure"}
    assert (done.json["experiment"], done.json["figure"]) == (name, f"out/{name}.png")
    assert Path("out", f"{name}.png").read_bytes().startswith(PNG)
    assert [row["variant"] for row in done.json["variants"]] == [variant.label for variant in experiment.variants]
    for row, variant in zip(done.json["variants"], experiment.variants, strict=True):
        run = Run(Path(row["run"]))
        assert row["run"] == f"out/{variant.recipe.name}"
        assert run.recipe_of(type(variant.recipe)).model == variant.recipe.model
        assert (run.recipe.data.name, run.recipe.training.steps) == ("digits8x8", 60)
        scored = [line for line in run.metrics() if "validation_accuracy" in line]
        assert row["validation_accuracy"] == scored[-1]["validation_accuracy"]
        assert row["validation_loss"] == scored[-1]["validation_loss"]
        assert row["best_validation_accuracy"] == max(line["validation_accuracy"] for line in scored)
        assert row.get("training_accuracy") == scored[-1].get("training_accuracy")
    assert len({Run(Path(row["run"])).model_file.read_bytes() for row in done.json["variants"]}) == len(
        experiment.variants
    )
    assert drawn[0].get_suptitle() == experiment.question
    assert all(axes.get_lines() for axes in drawn[0].axes), "every part shows something"


def test_what_is_drawn_was_measured(kqv: Kqv, here: Path, drawn: list[Any]) -> None:
    """1,000 pictures in batches of 10: an epoch has 100 steps."""
    words = ("train", "digits", "--recipe", "vanishing-gradients", "--data", "digits8x8", "--steps", 250)
    said = kqv(*words, "--out", "out", "--json").json["variants"]
    sizes, _, accuracy = drawn[0].axes
    assert [axes.get_title(loc="left") for axes in drawn[0].axes] == [
        "Size of ∂C/∂b: sigmoid", "Size of ∂C/∂b: ReLU", "How much is right",
    ]  # fmt: skip
    scored = [line for line in Run(Path("out/sigmoid")).metrics() if "validation_accuracy" in line]
    assert len(sizes.get_lines()) == 5, "a line for each layer"
    for layer, line in enumerate(sizes.get_lines()):
        assert line.get_xdata().tolist() == [1.0, 2.0, 2.5]
        assert line.get_ydata().tolist() == [measured[f"gradient_layers.{layer}.bias"] for measured in scored]
    shares = accuracy.get_lines()[0].get_ydata().tolist()
    assert shares == [100 * measured["validation_accuracy"] for measured in scored]
    losses = [measured["validation_loss"] for measured in scored]
    assert len(set(losses)) == 3
    assert said[0]["validation_loss"] == losses[-1]
    assert said[0]["best_validation_accuracy"] == max(shares) / 100


def test_without_json_a_table_and_the_answer_are_said(kqv: Kqv, here: Path) -> None:
    done = kqv("train", "digits", "--recipe", "slow-learning", *WORDS)
    assert done.status == 0
    experiment = DIGITS_EXPERIMENTS["slow-learning"]()
    assert experiment.question in done.out
    assert experiment.answer in " ".join(done.out.split())
    for variant in experiment.variants:
        path = f"runs/slow-learning-{variant.recipe.name}-1"
        scores = [line for line in Run(Path(path)).metrics() if "validation_accuracy" in line]
        row = next(line for line in done.out.splitlines() if line.startswith(variant.label + "  "))
        assert f"{100 * scores[-1]['validation_accuracy']:.1f} %" in row
        assert f"{100 * scores[-1]['training_accuracy']:.1f} %" in row
        assert f"{scores[-1]['validation_loss']:.3f}" in row
        assert path in "".join(done.out.split())  # a narrow table folds it
    assert "figure written to runs/slow-learning-1.png" in done.out
    assert Path("runs/slow-learning-1.png").read_bytes().startswith(PNG)
    assert "validation loss" in done.err, "progress is told, but on standard error"


def test_seed_and_position_of_the_figure_can_be_said(kqv: Kqv, here: Path) -> None:
    found = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        words = ("train", "digits", "--recipe", "slow-learning", "--data", "digits8x8", "--steps", 5, "--json")
        done = kqv(*words, "--out", name, "--seed", seed, "--plot", f"{name}.svg")
        assert done.json["figure"] == f"{name}.svg"
        assert not Path(name, "slow-learning.png").exists()
        found.append(Path(name, "quadratic", "model.safetensors").read_bytes())
    assert found[0] == found[1] != found[2]
    assert Path("a.svg").read_bytes() == Path("b.svg").read_bytes() != Path("c.svg").read_bytes()


@pytest.mark.parametrize("words", [("--from", "runs/digits-1"), ("--minutes", "1")])
def test_what_does_not_go_with_an_experiment_is_refused(words: tuple[str, ...], kqv: Kqv, run: Path) -> None:
    said = kqv("train", "digits", "--recipe", "overfitting", "--data", "digits8x8", *words).problem
    assert said.endswith("overfitting is an experiment of several trainings; leave out --from and --minutes")
    assert [path.name for path in Path("runs").iterdir()] == ["digits-1"]


def test_an_unknown_recipe_lists_recipes_and_experiments(kqv: Kqv, here: Path) -> None:
    said = kqv("train", "digits", "--recipe", "slow").problem
    names = said.partition("choose one of: ")[2].split(", ")
    assert "there is no recipe 'slow' for digits" in said
    assert names == [*DIGITS_RECIPES, *DIGITS_EXPERIMENTS]
    assert not Path("runs").exists()


def test_no_experiment_has_the_name_of_a_recipe_and_no_two_variants_the_same() -> None:
    assert not DIGITS_RECIPES.keys() & DIGITS_EXPERIMENTS.keys()
    for name, make in DIGITS_EXPERIMENTS.items():
        experiment = make()
        assert experiment.name == name
        recipes = [variant.recipe for variant in experiment.variants]
        assert len({recipe.name for recipe in recipes}) == len({v.label for v in experiment.variants}) == len(recipes)
        assert len({recipe.model_copy(update={"name": ""}).model_dump_json() for recipe in recipes}) == len(recipes)
        assert dataclasses.is_dataclass(experiment)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_learning_curves_of_a_run_are_drawn(ending: str, kqv: Kqv, small: None, drawn: list[Any]) -> None:
    done = kqv("train", "digits", "--plot", f"curves.{ending}", "--json", "--steps", 150)
    assert json.loads(done.out)["steps"] == 150
    assert Path(f"curves.{ending}").stat().st_size > 1000
    by_title = {axes.get_title(loc="left"): axes for axes in drawn[0].axes}
    accuracy = by_title["Right of the validation set"]
    cost = by_title["Cost: validation set, batches (dashed)"]
    measured = Run(Path("runs/digits-1")).metrics()
    scored = [line for line in measured if "validation_accuracy" in line]
    assert accuracy.get_lines()[0].get_xdata().tolist() == [line["step"] / 60 for line in scored] == [1.0, 2.0, 2.5]
    assert accuracy.get_lines()[0].get_ydata().tolist() == [100 * line["validation_accuracy"] for line in scored]
    validation, batches = cost.get_lines()
    assert validation.get_ydata().tolist() == [line["validation_loss"] for line in scored]
    assert batches.get_ydata().tolist() == [line["loss"] for line in measured if "loss" in line]
    assert drawn[0].get_suptitle() == "digits-1: digits"


def test_a_run_that_went_on_is_drawn_from_its_beginning(kqv: Kqv, run: Path, drawn: list[Any]) -> None:
    assert kqv("train", "digits", "--resume", run, "--steps", 72, "--plot", "curves.png").status == 0
    assert all(axes.get_lines()[0].get_xdata().tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] for axes in drawn[0].axes)


@pytest.mark.parametrize("recipe", ["nielsen", "slow-learning"])
@pytest.mark.parametrize(
    ("plot", "says"),
    [("curves.gif", "by its ending; end it in .png, .svg, .pdf"), ("curves", "by its ending"),
     ("nowhere/curves.png", "there is no folder nowhere"), (".", "by its ending")],
)  # fmt: skip
def test_a_figure_that_cannot_be_written_is_refused_before_anything_is_trained(
    recipe: str, plot: str, says: str, kqv: Kqv, here: Path
) -> None:
    assert says in kqv("train", "digits", "--recipe", recipe, *WORDS, "--plot", plot).problem
    assert not list(here.iterdir())


def test_a_variant_whose_position_is_taken_is_refused_and_nothing_is_overwritten(kqv: Kqv, here: Path) -> None:
    words = ("train", "digits", "--recipe", "slow-learning", "--data", "digits8x8", "--steps", 3, "--out", "out")
    assert kqv(*words).status == 0
    before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    assert "out/quadratic" in kqv(*words).problem
    assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == before
