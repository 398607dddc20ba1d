"""Scoring several translators together: the mean of their probabilities, one direction, form and vocabulary."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kqv
from kqv.data.parallel.files import lines_of
from kqv.data.parallel.load import load_parallel
from kqv.data.parallel.sentences import BEGIN, END
from kqv.errors import Error, RunError
from kqv.generation.beam_search import BeamSearch, beam_search
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.systems.source import ModelSource
from kqv.systems.system import Evaluated, EvaluationAsked, Watcher
from kqv.systems.translation.evaluated import MOST_LETTERS, evaluate, file_name
from kqv.systems.translation.recipes import SearchPlan, TranslationRecipe, numbers_dates
from kqv.systems.translation.trained import load_translator
from kqv.training.run import Run

PAIRS = [(f"der Satz {number} ist kurz", f"sentence {number} is short") for number in range(60)]


def recipe(**data: Any) -> TranslationRecipe:
    base = numbers_dates()
    return base.model_copy(
        update={
            "model": TranslatorArchitecture(
                context=48, width=16, heads=2, hidden=32, encoder_blocks=1, decoder_blocks=1
            ),
            "data": base.data.model_copy(update=data),
            "search": SearchPlan(beams=2, length_penalty=0.5),
            "training": base.training.model_copy(update={"batch": 512, "steps": 8, "keep_best": True}),
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs `first`, `second` and `third` on the same pairs with other seeds, and some that do not go with them."""
    found = tmp_path_factory.mktemp("ensemble")
    for side, language in enumerate(("de", "en")):
        (found / f"pairs.{language}").write_text("".join(f"{pair[side]}\n" for pair in PAIRS), encoding="utf-8")
        (found / f"signs.{language}").write_text("".join(f"{pair[side]}?\n" for pair in PAIRS), encoding="utf-8")
    data, signs = (f"{found}/{name}.de,{found}/{name}.en" for name in ("pairs", "signs"))
    back = f"{found}/pairs.en,{found}/pairs.de"
    for seed, name in enumerate(("first", "second", "third"), 1):
        kqv.train("translate", data=data, recipe=recipe(), out=found / name, seed=seed)
    kqv.train("translate", data=signs, recipe=recipe(), out=found / "signs", steps=1)
    kqv.train("translate", data=back, recipe=recipe(), out=found / "back", steps=1)
    kqv.train("translate", data=data, recipe=recipe(form="tokenised"), out=found / "tokenised", steps=1)
    return found


@pytest.fixture
def runs(folder: Path, tmp_path: Path) -> Path:
    """A copy of the runs, which may be written to."""
    return Path(shutil.copytree(folder, tmp_path / "runs"))


def score(run: Path, *others: Path, watcher: Watcher | None = None, **asked: Any) -> Evaluated:
    whole = EvaluationAsked(device="cpu", others=tuple(map(str, others)), **asked)
    return evaluate(ModelSource(str(run), run, Run(run)), whole, watcher or Watcher())


def test_the_loss_is_that_of_the_mean_probability(runs: Path) -> None:
    paths = [runs / name for name in ("first", "second", "third")]
    found = score(*paths)
    loaded = [load_translator(Run(path)) for path in paths]
    total, count = 0.0, 0
    text = load_parallel([str(runs / "pairs.de"), str(runs / "pairs.en")])
    for source, target in text.test:
        read, written = (loaded[0].vocabularies.source.encode(one).astype(np.int64) for one in (source, target))
        given = torch.from_numpy(np.append(BEGIN, written[:-1]))[None]
        with torch.no_grad():
            said = [one.model.double()(torch.from_numpy(read)[None], given)[0].softmax(-1) for one in loaded]
        mean = sum(said) / 3
        total -= float(mean[range(len(written)), written].log().sum())
        count += len(written)
    assert found.scores["tokens"] == count
    assert found.scores["loss"] == pytest.approx(total / count, abs=1e-5)
    assert found.scores["perplexity"] == pytest.approx(math.exp(total / count), rel=1e-5)
    assert found.scores["loss"] < np.mean([score(path).scores["loss"] for path in paths]), "−log is convex"


def test_the_translations_are_the_ensembles_and_saved_under_a_name_that_says_so(runs: Path) -> None:
    first, second = runs / "first", runs / "second"
    own = Path(score(first).scores["translations"])
    before = own.read_bytes()
    found = score(first, second)
    path = first / "translations" / "with-second.test.en"
    assert found.scores["translations"] == str(path)
    assert own.read_bytes() == before, "those of the run alone stay"
    loaded = [load_translator(Run(one)) for one in (first, second)]
    text = load_parallel([str(runs / "pairs.de"), str(runs / "pairs.en")])
    sources = [ids.tolist() for ids in loaded[0].vocabularies.source.encode_many([source for source, _ in text.test])]
    best = beam_search([one.model for one in loaded], sources, BEGIN, END, BeamSearch(2, 0.5))
    wanted = [loaded[0].vocabularies.target.decode(one[0].ids) for one in best]
    assert lines_of(path.read_bytes(), str(path)) == wanted
    assert found.scores["with"] == [str(second)]
    assert found.sentence.startswith(f"{first} and {second} together on pairs.de and pairs.en, test, de to en: ")
    json.dumps(found.scores, allow_nan=False)
    assert score(first, second, best=True).scores["translations"] == str(path.with_name(f"best.{path.name}"))


def test_a_run_with_itself_is_the_run(runs: Path) -> None:
    alone, twice = score(runs / "first"), score(runs / "first", runs / "first")
    assert twice.scores["loss"] == pytest.approx(alone.scores["loss"], abs=1e-6)
    assert twice.scores["bleu"] == alone.scores["bleu"]
    files = [Path(one.scores["translations"]).read_bytes() for one in (alone, twice)]
    assert files[0] == files[1]


def test_runs_that_do_not_go_together_are_refused_before_anything_is_translated(runs: Path) -> None:
    class Untouched(Watcher):
        def translating(self) -> Any:
            raise AssertionError("something was translated")

    for other, why in (
        ("back", f"{runs / 'first'} translates from de to en, and {runs / 'back'} from en to de"),
        ("tokenised", f"{runs / 'first'} was trained on raw text, and {runs / 'tokenised'} on tokenised"),
        ("signs", f"{runs / 'first'} and {runs / 'signs'} have different vocabularies"),
    ):
        with pytest.raises(Error) as failure:
            score(runs / "first", runs / "second", runs / other, watcher=Untouched())
        assert str(failure.value).startswith(why)
    with pytest.raises(RunError, match="there is no run"):
        score(runs / "first", runs / "nothing", watcher=Untouched())


@pytest.mark.parametrize(
    ("others", "best", "name"),
    [
        ((), False, "test.en"),
        (("runs/b/",), True, "best.with-b.test.en"),
        (("runs/b", "../c d"), False, "with-b-and-c-d.test.en"),
    ],
)
def test_what_a_file_of_translations_is_called(others: tuple[str, ...], best: bool, name: str) -> None:
    assert file_name("test.en", others, best) == name


def test_the_names_of_many_runs_make_no_name_that_is_too_long() -> None:
    names = [f"runs/{'long' * 10}-{number}" for number in range(9)]
    name = file_name("test.en", names, False)
    assert len(name) < MOST_LETTERS
    assert name.startswith("with-9-others-")
    assert name != file_name("test.en", names[::-1], False)
