"""Scoring a translator: every sentence once, each figure as its own computation gives it, translations saved."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kqv
from kqv.data.parallel.files import lines_of
from kqv.data.parallel.load import load_parallel
from kqv.data.parallel.sentences import BEGIN, END
from kqv.errors import DataError, Error
from kqv.evaluation.moses import lowercased_normalised_tokenised
from kqv.evaluation.translation import score_translations
from kqv.generation.beam_search import BeamSearch, beam_search
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.systems.source import ModelSource
from kqv.systems.system import Evaluated, EvaluationAsked, Watcher
from kqv.systems.translation.evaluated import evaluate
from kqv.systems.translation.recipes import PairsPlan, SearchPlan, TranslationRecipe, numbers_dates
from kqv.systems.translation.scored_pairs import scored_pairs
from kqv.systems.translation.trained import load_translator
from kqv.training.run import Run

PAIRS = [(f"der Satz {number} ist kurz", f"sentence {number} is short") for number in range(60)]


def recipe(**data: Any) -> TranslationRecipe:
    base = numbers_dates()
    small = TranslatorArchitecture(context=48, width=16, heads=2, hidden=32, encoder_blocks=1, decoder_blocks=1)
    return base.model_copy(
        update={
            "model": small,
            "data": base.data.model_copy(update=data),
            "search": SearchPlan(beams=2, length_penalty=0.5),
            "training": base.training.model_copy(update={"batch": 512, "steps": 8, "keep_best": True}),
        }
    )  # fmt: skip


def write(folder: Path, name: str, pairs: list[tuple[str, str]]) -> str:
    for side, language in enumerate(("de", "en")):
        text = "".join(f"{pair[side]}\n" for pair in pairs)
        (folder / f"{name}.{language}").write_text(text, encoding="utf-8")
    return f"{folder}/{name}.de,{folder}/{name}.en"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run on 60 pairs of own, and the pairs' location."""
    folder = tmp_path_factory.mktemp("translator")
    data = write(folder, "pairs", PAIRS)
    run = kqv.train("translate", data=data, recipe=recipe(quantity=None), out=folder / "run").run
    return run.path, data


@pytest.fixture
def run(trained: tuple[Path, str], tmp_path: Path) -> Run:
    """A copy of it, which may be written to."""
    return Run(Path(shutil.copytree(trained[0], tmp_path / "run")))


def score(run: Run, data: str | None = None, watcher: Watcher | None = None, **asked: Any) -> Evaluated:
    whole = EvaluationAsked(data, device="cpu", **asked)
    return evaluate(ModelSource(str(run.path), run.path, run), whole, watcher or Watcher())


def test_scores_are_those_of_the_saved_translations(run: Run, trained: tuple[Path, str]) -> None:
    found = score(run)
    text = load_parallel(trained[1].split(","))
    references = [target for _, target in text.test]
    path = run.path / "translations" / "test.en"
    assert found.scores["translations"] == str(path)
    saved = lines_of(path.read_bytes(), str(path))
    assert len(saved) == len(references) == found.scores["sentences"] > 1
    expected = score_translations(saved, references, form="raw", language="en")
    assert {key: found.scores[key] for key in expected.as_json()} == expected.as_json()
    for figure in expected.figures:
        assert figure.signature in found.sentence
    assert f"translations: {path}" in found.sentence
    json.dumps(found.scores, allow_nan=False)


def test_the_loss_is_nats_per_token_without_padding_and_smoothing(run: Run, trained: tuple[Path, str]) -> None:
    found = score(run)
    loaded = load_translator(run)
    total, count = 0.0, 0
    for source, target in load_parallel(trained[1].split(",")).test:
        read = loaded.vocabularies.source.encode(source).astype(np.int64)
        written = loaded.vocabularies.target.encode(target).astype(np.int64)
        given = torch.from_numpy(np.append(BEGIN, written[:-1]))[None]
        with torch.no_grad():
            logits = loaded.model(torch.from_numpy(read)[None], given)[0]
        total += float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(written), reduction="sum"))
        count += len(written)
    assert found.scores["tokens"] == count
    assert found.scores["loss"] == pytest.approx(total / count, abs=1e-5)
    assert found.scores["perplexity"] == pytest.approx(math.exp(total / count), rel=1e-5)


def test_the_recipe_says_how_it_is_searched(run: Run, trained: tuple[Path, str]) -> None:
    found = score(run)
    assert (found.scores["beams"], found.scores["length_penalty"]) == (2, 0.5)
    assert "2 beams, length penalty 0.5" in found.sentence
    loaded = load_translator(run)
    sources = [
        loaded.vocabularies.source.encode(source).tolist() for source, _ in load_parallel(trained[1].split(",")).test
    ]
    best = beam_search(loaded.model, sources, BEGIN, END, BeamSearch(2, 0.5))
    wanted = [loaded.vocabularies.target.decode(one[0].ids) for one in best]
    assert (run.path / "translations" / "test.en").read_text(encoding="utf-8").split("\n")[:-1] == wanted


def test_another_search_is_made_where_it_is_asked_for(run: Run, trained: tuple[Path, str]) -> None:
    found = score(run, beams=1, length_penalty=0.0)
    assert (found.scores["beams"], found.scores["length_penalty"]) == (1, 0.0)
    assert "1 beam, length penalty 0" in found.sentence
    with pytest.raises(Error, match="length_penalty"):
        score(run, length_penalty=math.inf)


def test_each_split_and_each_set_of_weights_has_a_file_of_its_own(run: Run) -> None:
    assert score(run, split="validation").scores["split"] == "validation"
    score(run, best=True)
    assert {path.name for path in (run.path / "translations").iterdir()} == {"validation.en", "best.test.en"}
    assert Run.find(run.path).recipe.system == "translate"


def test_own_files_are_scored_whole(run: Run, tmp_path: Path) -> None:
    pairs = [PAIRS[3], ("", ""), *PAIRS[5:10]]
    found = score(run, write(tmp_path, "other", pairs))
    assert (found.scores["data"], found.scores["split"]) == ("other.de and other.en", None)
    assert found.scores["sentences"] == 6
    assert len((run.path / "translations" / "other.de.en").read_text(encoding="utf-8").split("\n")[:-1]) == 6
    (tmp_path / "other.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS[:4]), encoding="utf-8")
    assert score(run, str(tmp_path / "other.tsv")).scores["sentences"] == 4


def test_the_files_that_it_was_trained_on_are_scored_where_they_were_held_out(
    run: Run, trained: tuple[Path, str]
) -> None:
    assert score(run, trained[1]).scores == score(run).scores


def test_sentences_that_it_was_trained_on_are_counted(run: Run, trained: tuple[Path, str], tmp_path: Path) -> None:
    text = load_parallel(trained[1].split(","))
    found = score(run, write(tmp_path, "mixed", [*text.train[:2], *text.test]))
    assert found.scores["trained_on"] == 2
    assert f"2 of {2 + len(text.test)} sentences are among those that it was trained on" in found.sentence
    assert score(run).scores["trained_on"] == 0
    assert score(run, split="train").scores["trained_on"] == len(text.train)


def test_where_its_own_pairs_are_gone_it_says_that_it_cannot_tell(run: Run, tmp_path: Path) -> None:
    recipe = load_translator(run).recipe
    moved = recipe.data.model_copy(update={"name": f"{tmp_path}/gone.de,{tmp_path}/gone.en"})
    found = scored_pairs(moved, write(tmp_path, "here", PAIRS), "test", Watcher())
    assert found.trained is None
    assert "it cannot be told whether some are among these" in found.warning


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([PAIRS[0], ("", ""), ("der Satz %", "short")], r"bad\.de, line 3: the vocabulary of \d+ characters .*'%'"),
        ([PAIRS[0], ("der Satz", "short #")], r"bad\.en, line 2: the vocabulary of \d+ characters .*'#'"),
        ([("ist " * 20, "short")], r"bad\.de, line 1: the sentence has 81 tokens, and the model's context is 48"),
        ([PAIRS[0], ("kurz", "is " * 20)], r"bad\.en, line 2: its translation has 61 tokens"),
        ([PAIRS[0], ("kurz", "")], r"bad\.en, line 2: empty"),
        ([], "has no sentences"),
    ],
)  # fmt: skip
def test_a_sentence_that_cannot_be_scored_is_named_with_file_and_line(
    run: Run, tmp_path: Path, pairs: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(Error, match=message):
        score(run, write(tmp_path, "bad", pairs))
    assert not (run.path / "translations").exists()


def test_what_is_asked_in_vain_is_refused(run: Run, tmp_path: Path) -> None:
    data = write(tmp_path, "other", PAIRS[:3])
    with pytest.raises(Error, match="scored whole, they have no validation split"):
        score(run, data, split="validation")
    with pytest.raises(Error, match=r"translates from de to en.*--data .*other\.de,.*other\.en"):
        score(run, ",".join(reversed(data.split(","))))
    with pytest.raises(DataError, match="no file is there"):
        score(run, str(tmp_path / "missing.tsv"))
    with pytest.raises(Error, match="only runs translate"):
        evaluate(ModelSource("elsewhere", tmp_path), EvaluationAsked(), Watcher())


def test_a_run_that_cannot_be_written_to_is_scored_all_the_same(run: Run) -> None:
    (run.path / "translations").write_text("in the way", encoding="utf-8")
    found = score(run)
    assert found.scores["translations"] is None
    assert found.scores["bleu"] >= 0
    (line,) = [line for line in found.sentence.splitlines() if "not saved" in line]
    assert "cannot make the folder" in line


def test_a_model_that_gives_nan_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from kqv.systems.translation import trained

    def broken(run: Run, best: bool) -> Any:
        loaded = load_translator(run, best)
        with torch.no_grad():
            loaded.model.tokens.weight.fill_(math.nan)
        return loaded

    monkeypatch.setattr(trained, "load_translator", broken)
    with pytest.raises(Error, match=r"the loss of .* is nan: such weights are of no use"):
        score(run)


def test_somebody_who_waits_is_told_how_far_it_is(run: Run, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    class Waiting(Watcher):
        def translating(self) -> AbstractContextManager[Callable[[int, int], None]]:
            @contextmanager
            def counting() -> Any:
                yield lambda done, whole: told.append((done, whole))

            return counting()

    score(run, write(tmp_path, "other", PAIRS), watcher=Waiting())
    assert told[-1] == (60, 60)
    assert sorted(told) == told


def test_the_command_prints_figures_and_json(run: Run, kqv_lines: Callable[..., list[str]]) -> None:
    lines = kqv_lines("evaluate", str(run.path))
    assert lines[0].startswith(f"{run.path} on pairs.de and pairs.en, test, de to en: 3 sentences, 2 beams")
    found = json.loads("\n".join(kqv_lines("evaluate", str(run.path), "--json")))
    assert found["run"] == str(run.path)
    assert {"bleu", "bleu_tokenised", "chrf", "exact_match", "loss", "perplexity", "signatures"} <= set(found)


@pytest.fixture
def kqv_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    from kqv.cli.main import main

    def called(*arguments: str) -> list[str]:
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        assert ended.value.code in (0, None)
        return capsys.readouterr().out.splitlines()

    return called


def test_raw_multi30k_is_scored_against_the_published_tokenised_translations() -> None:
    folders = os.environ.get("KQV_DATA", "missing").split(os.pathsep)
    if not any((Path(folder) / "multi30k").is_dir() for folder in folders):
        pytest.skip("no multi30k in the folders that KQV_DATA names")
    plan = PairsPlan(name="multi30k", source="en", target="de", form="raw")
    found = scored_pairs(plan, None, "test", Watcher())
    assert len(found.pairs) == 1000
    assert found.tokenised is not None
    assert list(found.tokenised) == lowercased_normalised_tokenised([target for _, target in found.pairs], "de")
    tokenised = scored_pairs(plan.model_copy(update={"form": "tokenised"}), None, "test", Watcher())
    assert tokenised.tokenised is None
    assert tuple(target for _, target in tokenised.pairs) == found.tokenised
    own = scored_pairs(plan.model_copy(update={"name": "numbers-dates", "quantity": 20}), "multi30k", "test", Watcher())
    assert (own.pairs, own.file) == (found.pairs, "multi30k.test.de")
