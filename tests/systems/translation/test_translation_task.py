"""A translator's batches and its loss: padding plays no part, parts add up, a resumed run is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import kqv
from kqv.data.parallel.sentences import BEGIN, END
from kqv.errors import Error
from kqv.models.transformer import Transformer
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.systems.translation.recipes import LossPlan, TranslationRecipe, numbers_dates
from kqv.systems.translation.task import PADDING, Batch, TranslationTask, batch_of
from kqv.training.distributed import Group
from kqv.training.plans import TrainingPlan

SMALL = TranslatorArchitecture(
    context=32, width=16, heads=2, hidden=32, encoder_blocks=1, decoder_blocks=1, dropout=0.0
)  # fmt: skip
RANDOM = np.random.default_rng(1)
PAIRS = [
    tuple(np.append(RANDOM.integers(2, 20, RANDOM.integers(1, 12)), END) for _ in range(2)) for _ in range(40)
]  # fmt: skip


class Fixed:
    """Pairs that are the same in each epoch."""

    whole = PAIRS

    def of_epoch(self, epoch: int) -> list[tuple[np.ndarray, ...]]:
        return self.whole


def make_task(group: Group | None = None, smoothing: float = 0.1) -> TranslationTask:
    torch.manual_seed(5)
    model = Transformer(20, architecture=SMALL).double()
    plan = TrainingPlan(learning_rate=0.01, batch=64, steps=10)
    return TranslationTask(
        model, Fixed(), PAIRS[:9], plan, LossPlan(smoothing=smoothing), torch.device("cpu"), group or Group()
    )


def test_the_decoder_reads_the_target_moved_by_one() -> None:
    batch = batch_of(
        [(np.array([5, END]), np.array([6, 7, END])), (np.array([8, 9, END]), np.array([6, END]))], torch.device("cpu")
    )
    assert batch.source.tolist() == [[5, END, END], [8, 9, END]]
    assert batch.present is not None
    assert batch.present.tolist() == [[True, True, False], [True, True, True]]
    assert batch.given.tolist() == [[BEGIN, 6, 7], [BEGIN, 6, END]]
    assert batch.targets.tolist() == [[6, 7, END], [6, END, PADDING]]


def test_padding_changes_neither_loss_nor_gradients() -> None:
    task = make_task()
    together = batch_of(PAIRS[:6], torch.device("cpu"))
    assert together.present is not None
    loss = task.learn(together)
    gradients = [parameter.grad.clone() for parameter in task.model.parameters()]
    task.model.zero_grad()
    tokens = sum(len(target) for _, target in PAIRS[:6])
    alone = [
        task.learn(batch_of([pair], torch.device("cpu"), len(pair[1]) / tokens)) for pair in PAIRS[:6]
    ]  # gradients add up
    assert float(sum(alone)) == pytest.approx(float(loss), abs=1e-12)
    for parameter, gradient in zip(task.model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-12, rtol=0)


def test_the_parts_of_two_processes_make_the_whole() -> None:
    whole = make_task()
    loss = whole.learn(whole.batch(0))
    parts = [make_task() for _ in range(2)]
    losses = []
    for rank, part in enumerate(parts):
        part.group = Group(rank=rank, size=2)
        losses.append(part.learn(part.batch(0)))
    assert float(sum(losses)) / 2 == pytest.approx(float(loss), abs=1e-12)
    for mine, *theirs in zip(*(task.model.parameters() for task in (whole, *parts)), strict=True):
        torch.testing.assert_close((theirs[0].grad + theirs[1].grad) / 2, mine.grad, atol=1e-12, rtol=0)


def test_parts_count_by_the_tokens_of_the_epoch_not_by_the_usual_ones() -> None:
    class Longer(Fixed):
        """Pairs of which every other one has more tokens than it usually has."""

        def of_epoch(self, epoch: int) -> list[tuple[np.ndarray, ...]]:
            return [(a, np.append([9] * 7, b) if number % 2 else b) for number, (a, b) in enumerate(PAIRS)]

    losses = []
    for group in (Group(), Group(rank=0, size=2), Group(rank=1, size=2)):
        task = make_task(group=Group())
        task.train, task.group = Longer(), group
        losses.append(float(task.learn(task.batch(0))))
    assert sum(losses[1:]) / 2 == pytest.approx(losses[0], abs=1e-12)


def test_the_validation_loss_counts_each_token_once_and_is_not_smoothed() -> None:
    task = make_task(smoothing=0.3)
    total = 0.0
    for source, target in PAIRS[:9]:
        given = torch.from_numpy(np.append(BEGIN, target[:-1]))[None]
        logits = task.model(torch.from_numpy(source)[None], given)[0]
        total += float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(target), reduction="sum").detach())
    expected = total / sum(len(target) for _, target in PAIRS[:9])
    assert task.evaluate()["loss"] == pytest.approx(expected, abs=1e-10)


def tiny_recipe(**data: object) -> TranslationRecipe:
    recipe = numbers_dates()
    return recipe.model_copy(
        update={
            "model": TranslatorArchitecture(
                context=128, width=16, heads=2, hidden=32, encoder_blocks=1, decoder_blocks=1, dropout=0.1
            ),
            "data": recipe.data.model_copy(update={"quantity": 200, **data}),
            "training": recipe.training.model_copy(update={"batch": 512, "steps": 6, "evaluate_every": 3}),
        }
    )  # fmt: skip


def test_a_run_that_was_resumed_is_the_same(tmp_path: Path) -> None:
    whole = kqv.train("translate", recipe=tiny_recipe(), out=tmp_path / "whole")

    class Stopping:
        def started(self, step: int, steps: int) -> None:
            pass

        def stepped(self, step: int, loss: float, rate: float) -> None:
            pass

        def evaluated(self, step: int, scores: dict[str, float]) -> None:
            if step == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kqv.train("translate", recipe=tiny_recipe(), out=tmp_path / "parts", listener=Stopping())
    parts = kqv.train("translate", resume_run=tmp_path / "parts")
    for (name, weight), (_, other) in zip(
        whole.model.model.named_parameters(), parts.model.model.named_parameters(), strict=True
    ):
        assert torch.equal(weight, other), name


def test_a_sentence_longer_than_the_context_is_refused_by_name(tmp_path: Path) -> None:
    lines = ["ein Mann\ta man"] * 30 + [f"{'sehr ' * 100}lang\tvery long"]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines + [f"satz {n}\tsentence {n}" for n in range(40)]) + "\n")
    with pytest.raises(Error, match=r"has 505 tokens, and the model reads 128"):
        kqv.train(
            "translate", recipe=tiny_recipe(quantity=None, name=str(tmp_path / "pairs.tsv")), out=tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()


# R-Drop: every pair is read twice.

DROPPING = replace(SMALL, dropout=0.3)


def dropping_task(r_drop: float) -> TranslationTask:
    torch.manual_seed(5)
    model = Transformer(20, architecture=DROPPING).double().train()
    plan = TrainingPlan(learning_rate=0.01, batch=64, steps=10)
    loss = LossPlan(smoothing=0.1, r_drop=r_drop)
    return TranslationTask(model, Fixed(), PAIRS[:9], plan, loss, torch.device("cpu"))


def learned(task: TranslationTask, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """A batch's loss and gradients, by the same dropout masks each time."""
    torch.manual_seed(9)
    loss = task.learn(batch)
    return loss, {name: p.grad for name, p in task.model.named_parameters() if p.grad is not None}


def test_nothing_of_the_divergence_is_the_plain_loss_of_the_doubled_batch() -> None:
    plain, two_passes = dropping_task(0.0), dropping_task(1e-300)
    batch = plain.batch(0)
    loss, gradients = learned(plain, batch.twice())
    found, others = learned(two_passes, batch)
    assert torch.equal(found, loss)
    assert gradients.keys() == others.keys()
    for name, gradient in gradients.items():
        assert torch.equal(others[name], gradient), name


def test_two_passes_are_learned_from_as_pytorch_computes_it() -> None:
    task, r_drop = dropping_task(2.5), 2.5
    batch = task.batch(0)
    loss, gradients = learned(task, batch)
    torch.manual_seed(9)
    logits = task.model(*(torch.cat((part, part)) for part in (batch.source, batch.given, batch.present)))
    counted = batch.targets != PADDING
    assert not counted.all()
    costs, logs = [], []
    for own in (logits[: len(counted)], logits[len(counted) :]):
        costs.append(F.cross_entropy(own[counted], batch.targets[counted], label_smoothing=0.1))
        logs.append(own[counted].log_softmax(-1))
    one, other = (F.kl_div(a, b, reduction="sum", log_target=True) / counted.sum() for a, b in (logs, reversed(logs)))
    assert one + other > 1e-3, "dropout makes the passes differ"
    expected = sum(costs) / 2 + r_drop * (one + other) / 2
    wanted = torch.autograd.grad(expected, list(task.model.parameters()))
    torch.testing.assert_close(loss, expected.detach(), rtol=0, atol=1e-12)
    for (name, gradient), theirs in zip(gradients.items(), wanted, strict=True):
        torch.testing.assert_close(gradient, theirs, rtol=0, atol=1e-11, msg=name)


def test_a_run_of_two_passes_that_was_resumed_is_the_same(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    recipe = recipe.model_copy(update={"loss": LossPlan(smoothing=0.1, r_drop=1.0)})
    plan = recipe.training.model_copy(update={"schedule": "constant", "warm_up": 0})
    recipe = recipe.model_copy(update={"training": plan})
    once = kqv.train("translate", recipe=recipe, out=tmp_path / "once", steps=6)
    parts = kqv.train("translate", recipe=recipe, out=tmp_path / "parts", steps=3)
    parts = kqv.train("translate", resume_run=parts.run.path, steps=6)
    for (name, weight), (_, other) in zip(
        once.model.model.named_parameters(), parts.model.model.named_parameters(), strict=True
    ):
        assert torch.equal(weight, other), name


def test_two_passes_without_dropout_are_refused() -> None:
    content = numbers_dates().model_dump() | {"loss": {"r_drop": 1.0}}
    with pytest.raises(ValueError, match="r_drop compares two passes that dropout makes different"):
        TranslationRecipe.model_validate(content)
    content["model"] = content["model"] | {"attention_dropout": 0.1}
    assert TranslationRecipe.model_validate(content).loss.r_drop == 1.0
