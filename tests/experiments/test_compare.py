"""`kqv.compare`: paired runs in one folder, kept and resumed, and the answer that they give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import kqv
from kqv.errors import Error
from kqv.experiments.answer import Answer
from kqv.experiments.question import Question, make_question
from kqv.experiments.running import Observer
from kqv.systems.source import run_source
from kqv.systems.system import EvaluationAsked, Watcher, system_named
from kqv.tensors import read_tensors
from kqv.training.run import Run

SMALL = {"model.hidden": [6], "training.batch": 32, "data.train": 200}
PNG = b"\x89PNG"


def digits(**changes: Any) -> Question:
    """A question that takes a second."""
    vary = {"activation": ["sigmoid", "relu"]}
    return make_question({"system": "digits", "base": SMALL, "vary": vary, "seeds": 2, "steps": 6, **changes})


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    return kqv.compare(digits(), out=tmp_path_factory.mktemp("compare") / "q")


def test_every_variant_is_an_ordinary_run_with_every_seed(answer: Answer) -> None:
    assert [result.label for result in answer.results] == ["sigmoid", "relu"]
    for result in answer.results:
        assert [path.name for path in result.runs] == [f"{result.label}-1", f"{result.label}-2"]
        for seed, path in enumerate(result.runs, 1):
            recipe: Any = Run(path).recipe
            assert (recipe.training.seed, recipe.training.steps) == (seed, 6)
            assert recipe.model["activation"] == result.label


def test_scores_are_those_of_the_systems_own_evaluation_over_the_validation_set(answer: Answer) -> None:
    assert answer.measure.name == "accuracy"
    system = system_named("digits")
    for result in answer.results:
        for score, path in zip(result.scores, result.runs, strict=True):
            evaluated = system.evaluate(run_source(Run(path)), EvaluationAsked(split="validation"), Watcher())
            assert score == evaluated.scores["accuracy"]
            assert evaluated.scores["pictures"] == 300


def test_the_pairs_of_a_seed_begin_with_the_same_weights_and_batches(answer: Answer) -> None:
    pairing = answer.results[1].pairing
    assert pairing is not None
    assert pairing.is_whole
    assert pairing.equal == 4
    first, second = (
        read_tensors(answer.folder / "untrained" / name / "model.safetensors")[0] for name in ("sigmoid", "relu")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_traces_part_where_the_variants_differ(answer: Answer) -> None:
    assert answer.untrained["relu"].tensor == "layers.0.a"
    assert answer.trained["relu"].tensor == "layers.0.z"
    assert answer.untrained["relu"].formulas == ("y = σ(x) = 1/(1 + exp(−x))", "y = max(0, x)")


def test_figures_and_the_answer_stand_in_the_folder(answer: Answer) -> None:
    assert [path.name for path in answer.figures] == ["curves.svg", "curves.png"]
    assert answer.figures[1].read_bytes().startswith(PNG)
    kept = json.loads((answer.folder / "answer.json").read_text())
    assert kept == json.loads(json.dumps(answer.as_dict()))
    relu = kept["variants"][1]
    differences = [y - x for x, y in zip(kept["variants"][0]["scores"], relu["scores"], strict=True)]
    assert relu["differences"] == differences
    assert relu["difference"]["mean"] == pytest.approx(sum(differences) / 2)
    assert relu["sentence"] == str(answer)
    assert (kept["better"], kept["baseline"], kept["steps"]) == ("higher", "sigmoid", 6)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.safetensors")}


def test_the_same_question_again_trains_nothing_and_more_seeds_only_the_new_ones(tmp_path: Path) -> None:
    class Counting(Observer):
        trained: list[str] = []  # noqa: RUF012

        def begins(self, variant: Any, seed: int, trainer: Any) -> None:
            self.trained.append(f"{variant.label}-{seed}")

    kqv.compare(digits(seeds=1), out=tmp_path / "q", observer=Counting())
    before = contents(tmp_path / "q")
    kqv.compare(tmp_path / "q", observer=Counting())
    assert Counting.trained == ["sigmoid-1", "relu-1"]
    kqv.compare(tmp_path / "q", seeds=2, observer=Counting())
    assert Counting.trained[2:] == ["sigmoid-2", "relu-2"]
    assert before.items() <= contents(tmp_path / "q").items()


def test_another_question_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    kqv.compare(digits(seeds=1), out=tmp_path / "q")
    with pytest.raises(Error, match="holds another question; choose another --out"):
        kqv.compare(digits(seeds=1, steps=7), out=tmp_path / "q")


class StoppedAt(Observer):
    """Stops like Ctrl-C in the midst of the run that is number `number`."""

    def __init__(self, number: int, step: int) -> None:
        self.number, self.step, self.begun = number, step, 0

    def begins(self, variant: Any, seed: int, trainer: Any) -> None:
        self.begun += 1
        learn = trainer.task.learn

        def stopping(batch: Any) -> Any:
            if self.begun == self.number and trainer.step == self.step:
                raise KeyboardInterrupt
            return learn(batch)

        trainer.task.learn = stopping


def test_killed_and_resumed_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    question = digits(steps=40)
    kqv.compare(question, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        kqv.compare(question, out=tmp_path / "killed", observer=StoppedAt(3, 17), checkpoint_seconds=0)
    finished = tmp_path / "killed" / "relu-1" / "model.safetensors"
    assert (tmp_path / "killed" / "sigmoid-2").is_dir()
    assert not (tmp_path / "killed" / "scores" / "sigmoid-2.json").exists()
    before = finished.stat().st_mtime_ns
    kqv.compare(tmp_path / "killed")
    assert finished.stat().st_mtime_ns == before, "what was finished is kept"
    whole, resumed = (
        {name: content for name, content in contents(tmp_path / path).items() if name.endswith("model.safetensors")}
        for path in ("whole", "killed")
    )
    assert whole == resumed


def test_what_cannot_be_compared_leaves_nothing(here: Path) -> None:
    for question, says in (
        (digits(vary={"activation": ["relu", "step"]}), "model.activation cannot be step"),
        (digits(vary={"activaton": ["relu", "sigmoid"]}), "has no field 'activaton'"),
        (digits(vary={"activation": ["relu", "relu"]}), "is there twice"),
        (digits(vary={"activation": ["relu"]}), "is the recipe's own"),
    ):
        with pytest.raises(Error, match=says):
            kqv.compare(question)
        with pytest.raises(Error, match=says):
            kqv.compare(question, out="out")
        assert not list(Path("runs").iterdir())
        assert not Path("out").exists()


def test_a_single_value_is_compared_with_the_recipes_own(tmp_path: Path) -> None:
    found = kqv.compare(digits(vary={"activation": ["sigmoid"]}, seeds=1, steps=2), out=tmp_path / "q")
    assert [result.label for result in found.results] == ["relu", "sigmoid"]
    assert "more seeds are needed for a verdict" in str(found)


def test_several_fields_make_a_grid_and_what_cannot_be_paired_is_told(tmp_path: Path) -> None:
    vary = {"activation": ["relu", "sigmoid"], "width": [6, 7]}
    found = kqv.compare(digits(vary=vary, seeds=1, steps=2), out=tmp_path / "q")
    assert [result.label for result in found.results] == [
        f"activation={name}, width={width}" for name in ("relu", "sigmoid") for width in (6, 7)
    ]
    wider = found.results[1].pairing
    assert wider is not None
    assert set(wider.reshaped) == {"layers.0.weight", "layers.0.bias", "layers.1.weight"}
    assert "of another shape: " in wider.text("relu")


def test_a_variant_that_diverges_is_an_answer(tmp_path: Path) -> None:
    base = {**SMALL, "training.optimizer": "gradient-descent"}
    vary = {"training.learning_rate": [0.1, 1e30]}
    found = kqv.compare(digits(base=base, vary=vary, seeds=1), out=tmp_path / "q")
    assert found.results[1].scores == (None,)
    assert str(found) == "learning_rate=1e+30 diverged with 1 of 1 seeds."
    assert json.loads((tmp_path / "q" / "answer.json").read_text())["variants"][1]["mean"] is None


def test_another_score_is_chosen_by_name(tmp_path: Path) -> None:
    kqv.compare(digits(seeds=1, steps=2), out=tmp_path / "q")
    found = kqv.compare(tmp_path / "q", score="loss")
    assert found.measure.less_is_better
    with pytest.raises(Error, match="gives no score 'bleu'; choose one of: accuracy, loss"):
        kqv.compare(tmp_path / "q", score="bleu")


TEXT = "the quick brown fox jumps over the lazy dog. " * 40


def test_models_of_texts_write_and_their_attention_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    base = {"model.blocks": 1, "model.width": 16, "model.heads": 2, "model.context": 16, "training.batch": 4}
    question = make_question(
        {"system": "gpt", "recipes": ["nanogpt-cpu"], "data": str(tmp_path / "text.txt"), "base": base, "seeds": 1,
         "steps": 4, "vary": {"positions": ["learned", "none"]}}
    )  # fmt: skip
    found = kqv.compare(question, out=tmp_path / "q")
    assert found.measure.name == "loss"
    assert all(result.sample for result in found.results)
    assert found.untrained["none"].only_in == "learned"
    assert [path.name for path in found.figures if path.suffix == ".png"] == ["curves.png", "attention.png"]
    paired = found.results[1].pairing
    assert paired is not None
    assert (paired.only_baseline, paired.other, paired.scaled) == (("positions.weight",), (), ())
    assert paired.same_batches


def test_a_leak_is_named_beside_its_loss(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    base = {"model.blocks": 1, "model.width": 16, "model.heads": 2, "model.context": 16, "training.batch": 4}
    question = make_question(
        {"system": "gpt", "recipes": ["nanogpt-cpu"], "data": str(tmp_path / "text.txt"), "base": base, "seeds": 1,
         "steps": 2, "vary": {"mask": ["past", "none"]}}
    )  # fmt: skip
    found = kqv.compare(question, out=tmp_path / "q")
    assert not found.baseline.notes
    assert any(note.startswith("a leak: ") for note in found.results[1].notes)
    assert found.as_dict()["variants"][1]["notes"] == list(found.results[1].notes)
    assert found.untrained["none"].tensor in ("blocks.0.attention.masked_scores", "blocks.0.attention.weights")


def test_translators_are_compared_too(tmp_path: Path) -> None:
    base = {
        "data.quantity": 20, "search.beams": 1, "model.context": 80, "model.width": 8, "model.heads": 1,
        "model.hidden": 8,
        "model.encoder_blocks": 1, "model.decoder_blocks": 1, "training.batch": 256,
    }  # fmt: skip
    question = make_question(
        {"system": "translate", "base": base, "seeds": 1, "steps": 2, "vary": {"norm": ["layer", "rms"]}}
    )
    found = kqv.compare(question, out=tmp_path / "q")
    assert found.measure.name == "exact_match"
    assert "→" in found.baseline.sample
    assert found.untrained["rms"].tensor == "encoder.blocks.0.attention_input"
    assert {"bleu", "loss", "exact_match"} <= found.results[0].outcomes[0].scores.keys()
