"""A traced update is the step that training would make next: its schedule's rate, its clip, its state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kqv.data.text.corpora import load_text
from kqv.models.architecture import Architecture
from kqv.systems.digits.recipes import DigitsPlan, DigitsRecipe, NetworkPlan
from kqv.systems.digits.task import Batch
from kqv.systems.digits.traced import as_batch, load_for_tracing, trace_pictures
from kqv.systems.gpt.recipes import GPTRecipe, TextPlan
from kqv.systems.gpt.start import resume, start
from kqv.systems.gpt.task import Windows
from kqv.systems.gpt.traced import load_text_for_tracing, trace_text
from kqv.trace.trace import Trace
from kqv.training.loop import Trainer
from kqv.training.plans import TrainingPlan
from kqv.training.run import Run

CPU = torch.device("cpu")
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "gradient descent": {"optimizer": "gradient-descent", "learning_rate": 0.05},
    "gradient descent with momentum, decay and L1": {
        "optimizer": "gradient-descent", "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.01, "l1": 0.001,
    },
    "adamw": {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.1},
    "muon": {"optimizer": "muon", "learning_rate": 0.02, "adamw_learning_rate": 0.01, "weight_decay": 0.1},
}  # fmt: skip
WEIGHTS = {"digits": "layers.0.weight", "gpt": "blocks.0.feed_forward.widen.weight"}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    file = tmp_path / "text.txt"
    file.write_text("".join(f"{number} times {number} is {number * number}\n" for number in range(100)))
    return file


def without_chance(plan: TrainingPlan) -> DigitsRecipe:
    """A network without dropout on pictures as they are: one batch is like the other."""
    return DigitsRecipe(name="digits", model=NetworkPlan(hidden=(12,)), data=DigitsPlan(), training=plan)


def stopped_after(trainer: Trainer, steps: int) -> None:
    """Make so many steps, save, and leave, as a training does that is asked to stop."""
    trainer.task.model.train()
    for _ in range(steps):
        trainer._advance()
    with trainer.storage.holding():
        trainer.save()


def one_step_more(trainer: Trainer, batch: object, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """The weights after the trainer's next step, made on this batch."""
    monkeypatch.setattr(trainer.task, "batch", lambda step: batch)
    trainer.task.model.train()
    trainer._advance()
    return {name: p.detach() for name, p in trainer.task.model.named_parameters()}


def assert_same_step(trace: Trace, weights: dict[str, Tensor], share: float = 2e-5) -> None:
    assert trace.updates.keys() == weights.keys()
    for name, update in trace.updates.items():
        step = (update.after - update.before).abs().max()
        assert step > 0, name
        torch.testing.assert_close(update.after, weights[name], rtol=2e-7, atol=float(share * step))


def digits_traced(run: Run, data: Any) -> Trace:
    model, optimizer = load_for_tracing(run)
    pictures, labels = as_batch(torch.from_numpy(data.train.pixels[5]), int(data.train.labels[5]))
    return trace_pictures(model, pictures, labels, optimizer)


@pytest.mark.parametrize("clip", [None, 0.01, 1e6])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_a_pictures_update_is_the_next_step(
    workshop: Any, optimizer: dict[str, Any], clip: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = TrainingPlan(batch=10, steps=40, schedule="cosine", warm_up=3, clip=clip, **optimizer)
    run, trainer = workshop.begin("one", without_chance(plan))
    stopped_after(trainer, 7)
    trace = digits_traced(run, workshop.data)
    vectors, labels = trainer.task.train
    weights = one_step_more(workshop.resume(run), Batch(vectors[5:6], labels[5:6], 1.0), monkeypatch)
    assert_same_step(trace, weights)
    check_what_is_shown(trace, WEIGHTS["digits"], clip)


@pytest.mark.parametrize("clip", [None, 0.01])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_a_texts_update_is_the_next_step(
    tmp_path: Path, corpus: Path, optimizer: dict[str, Any], clip: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = GPTRecipe(
        name="gpt", model=Architecture(8, 8, 2, 1, bias=False), data=TextPlan(name=str(corpus)),
        training=TrainingPlan(batch=4, steps=30, schedule="trapezoid", decay=0.9, clip=clip, **optimizer),
    )  # fmt: skip
    run, trainer = start(recipe, load_text(corpus), tmp_path / "run", CPU)
    stopped_after(trainer, 6)
    loaded, made = load_text_for_tracing(run)
    ids = torch.from_numpy(loaded.tokenizer.encode("7 times").astype("int64"))
    trace = trace_text(loaded.model, ids, made)
    resumed = resume(run, lambda _: load_text(corpus), CPU)
    weights = one_step_more(resumed, Windows(ids[None, :-1], ids[None, 1:], 1.0), monkeypatch)
    # training computes attention by another kernel, and Muon enlarges what differs in directions of hardly any size
    assert_same_step(trace, weights, share=3e-4 if optimizer["optimizer"] == "muon" else 2e-5)
    check_what_is_shown(trace, WEIGHTS["gpt"], clip)


def check_what_is_shown(trace: Trace, name: str, clip: float | None) -> None:
    """The schedule's share and the clip stand in the arithmetic, and all of it agrees."""
    record = trace[name]
    assert record.gradient is not None
    at = list(record.cell_at(int(record.gradient.abs().argmax())).index)
    explanation = trace.cell(f"update:{name}{at}")
    assert explanation.agrees
    assert "η" in {name for name, _ in explanation.rendering()[1].named}
    back = {cell.name for cell in trace.walk_back(f"update:{name}{at}") if cell.phase == "update"}
    assert ({"gradient_norm", f"{name}.gradient_norm"} <= back) == (clip == 0.01)
    if clip == 0.01:
        whole = torch.cat([update.unclipped.reshape(-1) for update in trace.updates.values()]).double().norm()
        assert trace.cell("update:gradient_norm").value == pytest.approx(float(whole), rel=1e-6)
        for cell in ("update:gradient_norm", f"update:{name}.gradient_norm", f"update:{name}.gradient{at}"):
            assert trace.cell(cell).expression is not None
            assert trace.cell(cell).agrees
        assert abs(trace.cell(f"update:{name}.gradient{at}").value) < abs(trace.cell(f"grad:{name}{at}").value)


@pytest.mark.parametrize(
    ("made", "changes", "words"),
    [
        (7, {}, "step 8 of 40, the next that training would make"),
        (40, {}, "one step more after the run's 40, with the learning rate of its last"),
        (0, {}, "step 1 of 40"),
    ],
)
def test_it_is_said_which_step_it_is(workshop: Any, made: int, changes: dict[str, Any], words: str) -> None:
    plan = TrainingPlan(batch=10, steps=40, schedule="linear", learning_rate=0.05, **changes)
    run, trainer = workshop.begin("one", without_chance(plan))
    stopped_after(trainer, made)
    explanation = digits_traced(run, workshop.data).cell("update:layers.0.weight[0,1]")
    text = " ".join(explanation.text().split())
    assert words in text
    assert "that of the example traced here alone, where training takes the mean over 10" in text
    assert explanation.as_dict()["step"].startswith(words)


def test_one_step_more_has_the_last_steps_rate(workshop: Any) -> None:
    plan = TrainingPlan(batch=10, steps=8, schedule="linear", learning_rate=0.05, optimizer="gradient-descent")
    run = workshop.finished("one", without_chance(plan))
    settings = digits_traced(run, workshop.data).updates["layers.0.weight"].settings
    assert settings["learning_rate"] == 0.05 * (1 - 7 / 8)


def test_halvings_count(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kqv.systems.digits.task.DigitsTask.evaluate", lambda self, *_: {"loss": 1.0, "accuracy": 0.1})
    plan = TrainingPlan(
        batch=40, steps=100, learning_rate=0.05, optimizer="gradient-descent", early_stopping=1, halvings=2,
        evaluate_every=5,
    )  # fmt: skip
    run, trainer = workshop.begin("one", without_chance(plan))
    trainer.train()
    assert trainer.patience.state.halved == 2
    explanation = digits_traced(run, workshop.data).cell("update:layers.0.weight[0,1]")
    assert digits_traced(run, workshop.data).updates["layers.0.weight"].settings["share"] == 0.25
    assert "which training did not make: it stopped early" in explanation.occasion


def test_the_loop_and_the_trace_take_one_function(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else the pace of training depends on one day, both have it."""
    run, trainer = workshop.begin("one")

    def slow(optimizer: Any, *_: Any) -> None:
        optimizer.set_share(0.125)

    told: list[Callable[..., None]] = []
    for user in ("loop", "optimizer_state"):
        monkeypatch.setattr(f"kqv.training.{user}.set_pace", slow)
        told.append(slow)
    stopped_after(trainer, 1)
    assert trainer.optimizer.share == 0.125
    assert digits_traced(run, workshop.data).updates["layers.0.weight"].settings["share"] == 0.125
