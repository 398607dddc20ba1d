"""`kqv.train` trains as `kqv train` does, with sizes, learning rate and optimizer changed by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import kqv
from kqv.errors import Error, RunError
from kqv.generation.sampling import Sampling
from kqv.models.recogniser import Recogniser
from kqv.systems.changes import Changes
from kqv.systems.digits.recipes import DigitsRecipe
from kqv.systems.gpt.recipes import GPTRecipe, nanogpt_cpu, shakespeare_fast
from kqv.systems.gpt.start import with_changes
from kqv.systems.gpt.trained import LoadedGPT
from kqv.training.run import Run

TEXT = "".join(f"{a} plus {b} is {a + b}.\n" for a in range(12) for b in range(40))
SMALL: dict[str, Any] = {"layers": 1, "heads": 2, "width": 16, "context": 16, "batch": 4}


@pytest.fixture
def text(here: Path) -> str:
    """A text to learn from, in an empty folder."""
    (here / "text.txt").write_text(TEXT, encoding="utf-8")
    return "text.txt"


def test_digits_with_other_layers(here: Path) -> None:
    seen: list[int] = []

    class Listener:
        def started(self, step: int, steps: int) -> None:
            seen.append(steps)

        def stepped(self, step: int, loss: float, rate: float) -> None: ...

        def evaluated(self, step: int, scores: dict[str, float]) -> None: ...

    trained = kqv.train("digits", layers=2, width=9, steps=12, learning_rate=0.01, seed=5, listener=Listener())
    recipe = trained.run.recipe_of(DigitsRecipe)
    assert (recipe.model.hidden, recipe.training.learning_rate, recipe.training.seed) == ((9, 9), 0.01, 5)
    assert trained.run.path == Path("runs/digits-1")
    assert seen == [12]
    assert isinstance(trained.model, Recogniser)
    resumed = kqv.train("digits", resume_run="latest", steps=20)
    assert (resumed.run, resumed.result.step) == (trained.run, 20)


def test_a_gpt_on_a_text(text: str) -> None:
    trained = kqv.train("gpt", data=text, steps=6, **SMALL)
    architecture = trained.run.recipe_of(GPTRecipe).model
    assert (architecture.blocks, architecture.heads, architecture.width, architecture.context) == (1, 2, 16, 16)
    assert trained.run.path == Path("runs/gpt-text.txt-1")
    model = kqv.load("latest", "gpt")
    assert isinstance(model, LoadedGPT)
    greedy = Sampling(temperature=0.0)
    assert model.generate("1", 9, sampling=greedy) == trained.model.generate("1", 9, sampling=greedy)
    finer = kqv.train("gpt", data=text, weights_from=trained.run.path, out="finer", steps=2)
    assert finer.run.config.weights_from == "runs/gpt-text.txt-1"


def test_a_leak_is_said_from_python_too(text: str) -> None:
    recipe = nanogpt_cpu()
    small = replace(recipe.model, blocks=1, heads=2, width=16, hidden=16, channels=8, context=16, mask="none")
    said = kqv.train("gpt", data=text, recipe=recipe.model_copy(update={"model": small}), steps=1, batch=2).notes
    assert any(note.startswith("a leak") for note in said)
    assert kqv.train("gpt", data=text, steps=1, **SMALL).notes == ()


def test_latest_is_the_newest_of_the_system_that_is_needed(text: str) -> None:
    with pytest.raises(RunError, match="there is no run yet"):
        kqv.load("latest", "gpt")
    kqv.train("gpt", data=text, steps=1, **SMALL)
    with pytest.raises(RunError, match=r"there is no digits run yet; make one with: kqv train digits"):
        kqv.load("latest", "digits")
    kqv.train("digits", steps=1)
    assert isinstance(kqv.load("latest", "gpt"), LoadedGPT)
    assert isinstance(kqv.load("latest"), Recogniser)
    assert Run.find("latest", "gpt").recipe.system == "gpt"
    with pytest.raises(RunError, match=r"is a digits run; this needs one of gpt"):
        kqv.load("runs/digits-1", "gpt")


def test_an_optimizer_comes_with_its_usual_settings() -> None:
    muon = with_changes(nanogpt_cpu(), Changes(optimizer="muon")).training
    assert (muon.learning_rate, muon.adamw_learning_rate, muon.momentum) == (0.02, 1e-3, 0.95)
    adamw = with_changes(shakespeare_fast(), Changes(optimizer="adamw")).training
    assert (adamw.learning_rate, adamw.adamw_learning_rate, adamw.momentum) == (0.015, None, 0.0)
    own = with_changes(nanogpt_cpu(), Changes(optimizer="gradient-descent", learning_rate=0.3)).training
    assert (own.optimizer, own.learning_rate) == ("gradient-descent", 0.3)
    assert with_changes(nanogpt_cpu(), Changes()) == nanogpt_cpu()


def test_what_follows_from_the_width_follows_again() -> None:
    wide = with_changes(shakespeare_fast(), Changes(width=192)).model
    assert (wide.width, wide.hidden, wide.resolved().hidden) == (192, None, 512)


@pytest.mark.parametrize(
    ("system", "changes", "message"),
    [
        ("gpt", {"width": 65, "heads": 3}, "3 heads cannot share 65 numbers evenly"),
        ("gpt", {"learning_rate": -1.0}, "learning_rate: input should be greater than 0"),
        ("gpt", {"optimizer": "adamm"}, r"there is no optimizer 'adamm'; choose one of: adamw, gradient-descent, muon"),
        ("gpt", {"dropout": 1.5}, "dropout"),
        ("gpt", {"layers": 0}, "at least 1"),
        ("digits", {"heads": 2}, "described by layers and width; leave out heads"),
        ("digits", {"compile": True}, "leave out compile"),
        ("digits", {"depth": 2}, r"train\(\) takes no depth; the changes to a recipe are: batch, "),
        ("digits", {"recipe": nanogpt_cpu()}, "digits need one of their own recipes; got one of gpt"),
        ("words", {}, "there is no system 'words'; choose one of: digits, adder, gpt"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(system: str, changes: dict[str, Any], message: str, text: str) -> None:
    data = {"data": text} if system == "gpt" else {}
    with pytest.raises(Error, match=message) as failure:
        kqv.train(system, steps=1, **data, **changes)
    assert "\n" not in str(failure.value)
    assert not Path("runs").exists() or not any(Path("runs").iterdir())


def test_public_names_are_listed() -> None:
    assert set(dir(kqv)) == {*kqv.__all__, "__version__"}
    assert all(getattr(kqv, name) is not None for name in kqv.__all__)
