"""Training a digit recogniser: data, network and optimizer put together from a recipe, in a run directory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from kqv.data.digits import DigitData, load_digits
from kqv.data.location import location_of
from kqv.errors import Error
from kqv.models.recogniser import Recogniser
from kqv.systems.changes import Changes, changed
from kqv.systems.digits.classes import write_classes
from kqv.systems.digits.recipes import DigitsRecipe, digits_recipe
from kqv.systems.digits.task import DigitsTask
from kqv.systems.digits.trained import digits_recipe_of, load_network, make_network
from kqv.systems.source import find_model
from kqv.systems.system import Asked, Planned, Watcher
from kqv.tensors import put_weights
from kqv.training import launch
from kqv.training.batches import seed_of
from kqv.training.distributed import Group
from kqv.training.first_weights import with_first_weights
from kqv.training.launch import Prepared
from kqv.training.loop import CHECKPOINT_SECONDS, Listener, Trainer
from kqv.training.plans import Recipe
from kqv.training.run import DataFacts, Run

LoadData = Callable[[str], DigitData]
WIDTH = 100
"""Neurons of a hidden layer where neither recipe nor user says how many."""


def limited(data: DigitData, recipe: DigitsRecipe) -> DigitData:
    """The first pictures of each split, as many as the recipe wants."""
    plan = recipe.data
    train = data.train[: plan.train] if plan.train else data.train
    test = data.test[: plan.test] if plan.test else data.test
    return replace(data, train=train, test=test)


def fingerprint(data: DigitData) -> str:
    """SHA-256 over all pixels, labels and class names: two data sets with the same are the same."""
    digest = hashlib.sha256(repr(data.classes).encode())
    for part in (data.train, data.validation, data.test):
        digest.update(repr(part.pixels.shape).encode())
        digest.update(part.pixels.tobytes())
        digest.update(part.labels.tobytes())
    return digest.hexdigest()


def with_changes(recipe: DigitsRecipe, changes: Changes) -> DigitsRecipe:
    """The recipe with what is wanted other than it has it; `Error` for what a digit recogniser does not have."""
    changes.refuse(("tokenizer", "vocab", "source", "target", "form"), "a digit recogniser reads pictures")
    changes.refuse(("heads", "context"), "a digit recogniser is described by layers and width")
    changes.refuse(("precision", "compile"), "a digit recogniser always computes in float32, uncompiled")
    model = changes.given("dropout")
    if changes.layers is not None or changes.width is not None:
        hidden = recipe.model.hidden
        width = changes.width if changes.width is not None else hidden[-1] if hidden else WIDTH
        layers = changes.layers if changes.layers is not None else max(1, len(hidden))
        model["hidden"] = (width,) * layers
    return changed(recipe, changes, model)


def recipe_of(run: Run) -> DigitsRecipe:
    """A run's recipe for another run: its number of steps follows from the epochs again, where there are any."""
    recipe = digits_recipe_of(run)
    if recipe.training.epochs is None:
        return recipe
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"steps": None})})


def _make_task(
    recipe: DigitsRecipe, data: DigitData, device: torch.device, group: Group, weights_from: Run | None = None
) -> DigitsTask:
    """The network with its first weights, on its data; the random generators are seeded here for all that follows."""
    model = with_first_weights(lambda: make_network(recipe, data.shape, data.classes), recipe.training)
    if weights_from is not None:
        _take_weights(model, weights_from)
    if not group.is_first:  # what is drawn from now on, such as dropout, is each process's own
        torch.manual_seed(seed_of(recipe.training.seed, "process", group.rank))
    return DigitsTask(model.to(device), data, recipe, device, group)


def _take_weights(model: Recogniser, run: Run) -> None:
    other = load_network(run)
    if _shapes(other) != _shapes(model):
        raise Error(
            f"the weights of {run.path} are of {other.describe()}, this is {model.describe()} (pixels, hidden layers, "
            f"classes): --from needs pictures of the same size, as many classes, and the same --recipe"
        )
    put_weights(model, other.state_dict(), str(run.model_file))


def _shapes(model: Recogniser) -> dict[str, tuple[int, ...]]:
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def start(
    recipe: DigitsRecipe, data: DigitData, path: Path, device: torch.device, *, minutes: float | None = None,
    weights_from: Run | None = None, listener: Listener | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS, group: Group | None = None,
) -> tuple[Run, Trainer]:  # fmt: skip
    """A new run, ready to train, in an empty or new folder. `minutes` sets the steps from the measured time of a few;
    `weights_from` is a run whose weights it starts from.

    Raises `Error` where the folder is taken or cannot be written; then nothing of the run is left.
    """
    group = group or Group(device=device)
    return launch.start(
        lambda: _prepare(recipe, data, recipe.data.name, device, group, weights_from), path, group,
        minutes=minutes, weights_from=None if weights_from is None else str(weights_from.path), listener=listener,
        checkpoint_seconds=checkpoint_seconds,
    )  # fmt: skip


def _prepare(
    recipe: DigitsRecipe, data: DigitData, name: str, device: torch.device, group: Group,
    weights_from: Run | None = None,
) -> Prepared:  # fmt: skip
    data = limited(data, recipe)
    rows, columns = data.shape
    facts = DataFacts(
        name=name, train=len(data.train), validation=len(data.validation), test=len(data.test),
        sha256=fingerprint(data),
    )  # fmt: skip

    def describe(run: Run) -> None:
        write_classes(run, {"classes": list(data.classes), "rows": rows, "columns": columns})

    return Prepared(recipe, _make_task(recipe, data, device, group, weights_from), facts, describe)


def resume(
    run: Run, load_data: LoadData, device: torch.device, *, steps: int | None = None, data_name: str | None = None,
    listener: Listener | None = None, checkpoint_seconds: float = CHECKPOINT_SECONDS, group: Group | None = None,
) -> Trainer:  # fmt: skip
    """The trainer of an existing run, where its checkpoint left it. `data_name` says where its data is now.

    With other `steps` the learning rate's schedule is stretched over the new number, and the run remembers it.
    Raises `RunError` when its data changed since, or the run is damaged; `Error` for fewer steps than it made.
    """
    group = group or Group(device=device)

    def prepare(found: Recipe) -> Prepared:
        recipe = run.recipe_of(DigitsRecipe, found)
        name = data_name or recipe.data.name
        return _prepare(recipe, load_data(name), name, device, group)

    return launch.resume(run, prepare, group, steps=steps, listener=listener, checkpoint_seconds=checkpoint_seconds)


def plan(asked: Asked, group: Group, watcher: Watcher) -> Planned:
    """A new training as it is asked for, with its pictures loaded; raises `Error` for what cannot be."""
    other = None
    if asked.weights_from is not None:
        found = find_model(asked.weights_from, "digits")
        other = found.require_run("a digit recogniser starts from the weights of a run")
    recipe = with_changes(_recipe(asked, other), asked.changes)
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"name": location_of(recipe.data.name)})})
    data = _load(recipe.data.name, group, watcher)
    return Planned(
        recipe,
        lambda: _prepare(recipe, data, recipe.data.name, group.device, group, other),
        limited(data, recipe).describe(),
        asked.minutes,
        None if other is None else str(other.path),
    )


def _recipe(asked: Asked, other: Run | None) -> DigitsRecipe:
    """The recipe that is asked for; without one that of the run whose weights are taken."""
    if isinstance(asked.recipe, DigitsRecipe):
        return asked.recipe
    if asked.recipe is None and other is not None:
        return recipe_of(other)
    if asked.recipe is not None and not isinstance(asked.recipe, str):
        raise Error(f"digits need one of their own recipes; got one of {asked.recipe.system}")
    return digits_recipe(asked.recipe)


def resumption(run: Run, data: str | None, group: Group, watcher: Watcher) -> Callable[[Recipe], Prepared]:
    """What puts a run that stopped together again, with its pictures where they are now."""

    def prepare(found: Recipe) -> Prepared:
        recipe = run.recipe_of(DigitsRecipe, found)
        name = data or recipe.data.name
        return _prepare(recipe, _load(name, group, watcher), name, group.device, group)

    return prepare


def _load(name: str, group: Group, watcher: Watcher) -> DigitData:
    """The pictures; the first process downloads what is missing, the others find it."""
    with group.first_goes_first():
        return load_digits(name, progress=watcher.downloading)
