"""Starting a run and resuming one: the same for all systems, which bring their task and the facts of the data."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from kqv.errors import Error, RunError
from kqv.fitting import fitting
from kqv.sharded import whole
from kqv.tensors import Tensors, digest, weights_of
from kqv.training.budget import steps_within
from kqv.training.checkpoint import Checkpoint, Counters
from kqv.training.distributed import Group
from kqv.training.held import held, made
from kqv.training.loop import CHECKPOINT_SECONDS, Listener, Task, Trainer
from kqv.training.optimizers import Optimizer, optimizer_named
from kqv.training.plans import Recipe, TrainingPlan
from kqv.training.run import Config, DataFacts, Lengthened, Run
from kqv.training.task import Estimating

PREPARED = 1 << 28
"""Numbers that the data of a training may take at once while it is prepared, beside the model's."""


@dataclass(frozen=True)
class Prepared:
    """What a system brings: its recipe, with what only the data could tell; its task, the facts of its data, and what
    writes its own files into the run."""

    recipe: Recipe
    task: Task
    facts: DataFacts
    describe: Callable[[Run], None]


def make_optimizer(model: nn.Module, plan: TrainingPlan) -> Optimizer:
    """The plan's optimizer over all of the model's parameters."""
    return optimizer_named(plan.optimizer).make(model, plan)


def start(
    prepare: Callable[[], Prepared], path: Path, group: Group, *, minutes: float | None = None,
    weights_from: str | None = None, listener: Listener | None = None, checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> tuple[Run, Trainer]:  # fmt: skip
    """A new run, ready to train, in an empty or new folder. `minutes` sets the steps from the measured time of a few.

    Raises `Error` where the folder is taken or cannot be written; then nothing of the run is left.
    """
    run = Run(path)
    if group.is_first:
        run.require_free()
    try:
        prepared = prepare()
        task = prepared.task
        recipe = _with_steps(prepared.recipe, task, minutes, group)
        trainer = Trainer(
            task, make_optimizer(task.model, recipe.training), recipe.training, run, listener,
            checkpoint_seconds=checkpoint_seconds, group=group,
        )  # fmt: skip
        weights = {name: whole(tensor) for name, tensor in weights_of(task.model).items()}
        if not group.is_first:
            trainer.save()
            group.largest(0)  # until the first one has written what all read
            return run, trainer
        config = _config(recipe, prepared.facts, group, weights_from)
        config = config.model_copy(update={"identity": _identity(config, weights)})
        with made(run, config) as files, trainer.storage.writing_to(files):
            trainer.save()
            prepared.describe(run)
        group.largest(0)
    except BaseException:
        if group.is_first:
            with suppress(OSError):  # an empty folder that was made for the run; one with anything in it stays
                path.rmdir()
        raise
    return run, trainer


def _with_steps(recipe: Recipe, task: Task, minutes: float | None, group: Group) -> Recipe:
    settled: dict[str, int] = {"steps": steps_in_all(recipe.training, task, minutes, group)}
    if isinstance(task, Estimating) and task.evaluated < task.held_out:
        settled["evaluation_tokens"] = task.evaluated
    return recipe.model_copy(update={"training": recipe.training.model_copy(update=settled)})


def steps_in_all(plan: TrainingPlan, task: Task, minutes: float | None, group: Group) -> int:
    """How many steps a training makes: by the clock where `minutes` are given, else as the plan says."""
    if minutes is not None:
        steps = steps_within(minutes, task, make_optimizer(task.model, plan), group)
        most = math.inf if plan.most_epochs is None else max(1, round(plan.most_epochs * task.epoch))
        return int(min(steps, most))
    return plan.steps or max(1, round((plan.epochs or 1) * task.epoch))


def _versions() -> dict[str, str]:
    return {"kqv": version("kqv"), "torch": torch.__version__, "python": platform.python_version()}


def _config(recipe: Recipe, facts: DataFacts, group: Group, weights_from: str | None) -> Config:
    return Config(
        recipe=recipe,
        versions=_versions(),
        device=group.device.type,
        threads=torch.get_num_threads(),
        processes=group.size,
        data=facts,
        weights_from=weights_from,
    )


def _identity(config: Config, weights: Tensors) -> str:
    """A fingerprint of all that decides a run's numbers: recipe, data, software, and the weights that it starts from.

    A training that is repeated has the same one, and writes the same files.
    """
    content = config.model_dump(mode="json", exclude={"identity", "weights_from"})
    return digest(weights, content)[:32]


def resume(
    run: Run, prepare: Callable[[Recipe], Prepared], group: Group, *, steps: int | None = None,
    listener: Listener | None = None, checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Trainer:  # fmt: skip
    """The trainer of an existing run, where its checkpoint left it; `prepare` takes its recipe.

    With other `steps` the learning rate's schedule is stretched over the new number, and the run remembers it.
    Raises `RunError` when its data changed since, or the run is damaged; `Error` for fewer steps than it made.
    """
    config = run.config
    steps_before = config.recipe.training.steps
    checkpoint = Checkpoint.read(run.checkpoint_file, config.identity)
    if steps is not None and steps != config.recipe.training.steps:
        config = _lengthened(run, config, checkpoint.counters.step, steps)
    recipe = config.recipe
    if group.device.type == "cpu":
        torch.set_num_threads(config.threads)  # sums are split as before
    with fitting(checkpoint.model, str(run.checkpoint_file), run.config_file, spare=PREPARED):
        prepared = prepare(recipe)
    if prepared.facts.sha256 != config.data.sha256:
        raise RunError(
            f"the data {prepared.facts.name!r} is not what {run.path} was trained on; put the old data back, say with "
            f"--data where it is, or start a new run from its weights: kqv train {recipe.system} --from {run.path}"
        )
    task = prepared.task
    trainer = Trainer(
        task, make_optimizer(task.model, recipe.training), recipe.training, run, listener,
        checkpoint_seconds=checkpoint_seconds, group=group,
    )  # fmt: skip
    trainer.resume(checkpoint)
    trainer.lengthened = len(config.lengthened)
    if trainer.lengthened > _known_lengthenings(config, checkpoint.counters):
        # a new chance also for one that stopped early; and again for one that was killed before it saved
        trainer.patience.state = trainer.patience.state.model_copy(update={"waited": 0})
    if steps is not None and config.recipe.training.steps != steps_before and group.is_first:
        with held(run) as files:
            files.write_config(config)
    return trainer


def _known_lengthenings(config: Config, counters: Counters) -> int:
    """How often the run had been lengthened when its checkpoint was written; older checkpoints do not say."""
    if counters.lengthened is not None:
        return counters.lengthened
    return sum(change.at_step < counters.step for change in config.lengthened)


def _lengthened(run: Run, config: Config, done: int, steps: int) -> Config:
    """The configuration with another number of steps; `Error` where more are made already."""
    if steps <= done:
        raise Error(f"{run.path} has made {done:,} steps already; give --steps more than that, or leave it out")
    plan = config.recipe.training
    assert plan.steps is not None
    recipe = config.recipe.model_copy(update={"training": plan.model_copy(update={"steps": steps})})
    change = Lengthened(at_step=done, steps_before=plan.steps)
    return config.model_copy(update={"recipe": recipe, "lengthened": (*config.lengthened, change)})
