"""A training by what it will take: parameters, memory, operations, time here and on named GPUs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from torch import nn

from kqv.data.location import location_of
from kqv.errors import Error
from kqv.interchange import gguf, hugging_face
from kqv.memory import held, most_held, own_memory
from kqv.models.published import PUBLISHED_ENCODERS, Published
from kqv.planning.counted import TooLargeError
from kqv.planning.hardware import GPU
from kqv.planning.made_up import NAME, gpt_recipe, made_up_task, published_recipe
from kqv.planning.rehearsal import Pace, Step, counted, measured
from kqv.systems.changes import Changes
from kqv.systems.fields import path_of, with_fields
from kqv.systems.gpt.recipes import GPTRecipe
from kqv.systems.source import ENCODER, find_model
from kqv.systems.system import SYSTEMS, Asked, Planned, Watcher, system_named
from kqv.training.distributed import Group
from kqv.training.flops import matrix_product_peak
from kqv.training.launch import steps_in_all
from kqv.training.plans import Recipe
from kqv.training.task import Task

Kind = TypeVar("Kind", bound=Recipe)

FREE = 0.7
"""Of this machine's memory, what a step may take that is tried out here."""

LONGEST = 60.0
"""Seconds of a step that is not tried out here, at this machine's peak."""


@dataclass(frozen=True)
class Forecast:
    """What a training will take.

    `parts`: parameters by part, a block's summed over all blocks. `step`: what each takes; `size`: how many examples
    (`unit`) it sees. `writes`: whether it is a language model, of which the laws of scaling speak. `steps`,
    `evaluations`: in all, None where nothing says how many. `pace`: measured on this machine, None where it was not.
    `examples`: how many the training data has, where it is known. `process`: bytes that a training's process holds when
    it holds most, with all that belongs to Python and PyTorch; None where it was not tried, or the system does not say.
    """

    title: str
    system: str
    data: str
    parts: Mapping[str, int]
    step: Step
    size: int
    unit: str
    precision: str
    writes: bool
    steps: int | None = None
    evaluations: int | None = None
    examples: float | None = None
    pace: Pace | None = None
    process: int | None = None
    why_not_measured: str = ""

    @property
    def parameters(self) -> int:
        """All of them."""
        return sum(self.parts.values())

    @property
    def seconds(self) -> float | None:
        """The whole training here, evaluations included."""
        if self.pace is None or self.steps is None:
            return None
        return self.steps * self.pace.step + (self.evaluations or 0) * self.pace.evaluation

    def seconds_of_step_on(self, gpu: GPU) -> float:
        """A step on a GPU, estimated."""
        return gpu.seconds(self.step.flops, self.step.kernels)


def forecast(
    what: str, group: Group, watcher: Watcher, *, settings: Mapping[str, Any] | None = None, data: str | None = None,
    steps: int | None = None, measure: bool = True,
) -> Forecast:  # fmt: skip
    """What a training of `what` will take: a system (`gpt`), one of its recipes (`gpt/nanogpt-cpu`), a run or a model,
    or a published size (`gpt3-175b`).

    `settings`: fields of the recipe with other values. With `measure` a few steps are made for real, and what they
    learned is thrown away. `process` is true of a process that does nothing else. Raises `Error` for what cannot be
    trained.
    """
    recipe, planned = _asked_for(what, settings or {}, data, steps, group, watcher)
    limit = FREE * (own_memory() or math.inf)
    before = held()
    by_shapes = _by_shapes(recipe, group)
    added = (held() or 0) - (before or 0)  # by planning itself
    if by_shapes is not None and by_shapes.step.memory.whole > limit:
        return by_shapes
    if by_shapes is not None and (here := by_shapes.step.flops / matrix_product_peak(group.device)) > LONGEST:
        return replace(by_shapes, why_not_measured=f"a step would take more than {here / 60:.0f} minutes")
    if planned is None and not measure:
        assert by_shapes is not None
        return replace(by_shapes, why_not_measured="it was not asked for")
    try:
        found = _tried(recipe, planned, group, limit, measure)
        most = most_held() if measure else None
        return replace(found, process=None if most is None else most - added)
    except TooLargeError:
        raise Error(
            f"a step needs more than {limit / 1e9:.0f} GB, which is what this machine can spare; give --set batch=… "
            "with a smaller one"
        ) from None


def _asked_for(
    what: str, settings: Mapping[str, Any], data: str | None, steps: int | None, group: Group, watcher: Watcher
) -> tuple[Recipe, Planned | None]:
    """The recipe that a word means, and its training; of what only has sizes there is none."""
    if what in PUBLISHED_ENCODERS:
        raise Error(f"{what} is an encoder, which kqv reads and does not train")
    changes = Changes(data=None if data is None else location_of(data), steps=steps)
    name, recipe = _named(what, watcher)
    system = system_named(name if recipe is None else recipe.system)
    if recipe is not None and recipe.data.name == NAME:
        if data is not None:
            raise Error(f"{what} only has sizes here; leave out --data, or give a recipe or a run")
        changed, flags = with_fields(recipe, {path_of(recipe, field): value for field, value in settings.items()})
        return _uncompiled(system.changed(changed, replace(flags, steps=steps))), None
    chosen: str | Recipe | None = what.partition("/")[2] or None if recipe is None else recipe
    planned = system.plan(Asked(chosen, changes), group, watcher)
    changed, flags = with_fields(
        planned.recipe, {path_of(planned.recipe, field): value for field, value in settings.items()}
    )
    again = system.plan(Asked(_uncompiled(changed), flags), group, watcher)
    return again.recipe, replace(again, minutes=None if steps or "steps" in settings else planned.minutes)


def _named(what: str, watcher: Watcher) -> tuple[str, Recipe | None]:
    """The system that a word names; or a recipe, of a published size, a run or a model."""
    published = published_recipe(what)
    if published is not None:
        return published.system, published
    system = what.partition("/")[0]
    if system in SYSTEMS:
        return system, None
    source = find_model(what, progress=watcher.downloading)
    if source.system == ENCODER:
        raise Error(f"{what} is an encoder, which kqv reads and does not train")
    if source.run is not None:
        return source.system, source.run.recipe_of(system_named(source.system).recipe)
    vocab, architecture = gguf.outline(source.path) if source.is_gguf else hugging_face.outline(source.path)
    return source.system, gpt_recipe(Published(source.name, vocab, architecture, ""))


def _uncompiled(recipe: Kind) -> Kind:
    """PyTorch's compiler takes minutes, and saves a step's memory and time rather than adding to it."""
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"compile": False})})


def _by_shapes(recipe: Recipe, group: Group) -> Forecast | None:
    """The forecast by shapes alone, of a model that may be too large for this machine; None of a system whose models
    are never large."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    shapes = FakeTensorMode()
    task = made_up_task(recipe, group, shapes)
    if task is None:
        return None
    step = counted(task, recipe.training, shapes=shapes)
    return _of(recipe, task, step, "it is too large for this machine's memory")


def _tried(recipe: Recipe, planned: Planned | None, group: Group, limit: float, measure: bool) -> Forecast:
    """The forecast by a few steps on this machine."""
    if planned is None:
        found = made_up_task(recipe, group)
        assert found is not None
        task: Task = found
    else:
        prepared = planned.prepare()
        recipe, task = prepared.recipe, prepared.task
    step = counted(task, recipe.training, limit)
    pace = measured(task, recipe.training, step, group) if measure else None
    steps = recipe.training.steps
    if planned is not None:
        steps = steps_in_all(recipe.training, task, planned.minutes, group)
    return replace(
        _of(recipe, task, step, "" if measure else "it was not asked for"), pace=pace, steps=steps,
        evaluations=None if steps is None else -(-steps // task.evaluate_every),
        examples=None if planned is None else task.epoch * task.size(0),
    )  # fmt: skip


def _of(recipe: Recipe, task: Task, step: Step, why_not_measured: str) -> Forecast:
    training = recipe.training
    return Forecast(
        title=recipe.name, system=recipe.system, data=recipe.data.name, parts=parts_of(task.model), step=step,
        size=task.size(0), unit=system_named(recipe.system).unit, precision=training.precision,
        writes=isinstance(recipe, GPTRecipe), steps=training.steps, why_not_measured=why_not_measured,
    )  # fmt: skip


def parts_of(model: nn.Module) -> dict[str, int]:
    """How many parameters each part has, by the names of the modules; those of all blocks together: `blocks.*.norm`."""
    found: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        words = re.sub(r"\.\d+\.", ".*.", name).split(".")
        depth = words.index("*") + 2 if "*" in words else 1
        part = ".".join(words[: min(depth, max(1, len(words) - 1))])
        found[part] = found.get(part, 0) + parameter.numel()
    return found
