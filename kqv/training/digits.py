"""Training a digit recogniser: data, network and optimizer put together from a recipe, in a run directory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from pydantic import ValidationError

from kqv.data.digits import DigitData
from kqv.errors import Error, RunError
from kqv.models.convolutional import ConvolutionalNetwork
from kqv.models.network import Network
from kqv.models.recogniser import Recogniser
from kqv.tensors import put_weights, read_tensors
from kqv.training.batches import seed_of
from kqv.training.digits_task import DigitsTask
from kqv.training.distributed import Group
from kqv.training.loop import CHECKPOINT_SECONDS, Listener, Trainer
from kqv.training.parsing import one_line
from kqv.training.randomness import seed_all
from kqv.training.recipes import DigitsRecipe
from kqv.training.run import DataFacts, Run
from kqv.training.starting import Prepared, begin, take_up

LoadData = Callable[[str], DigitData]


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


def changed(
    recipe: DigitsRecipe, *, data: str | None = None, seed: int | None = None, steps: int | None = None
) -> DigitsRecipe:
    """A recipe with other data, seed or steps where they are given; `Error` that names the one that cannot be."""
    content = recipe.model_dump()
    content["data"] |= {} if data is None else {"name": data}
    content["training"] |= {name: value for name, value in (("seed", seed), ("steps", steps)) if value is not None}
    try:
        return DigitsRecipe.model_validate(content)
    except ValidationError as failure:
        raise Error(one_line(failure).removeprefix("training.").removeprefix("data.")) from None


def recipe_of(run: Run) -> DigitsRecipe:
    """A run's recipe for another run: its number of steps follows from the epochs again, where there are any."""
    recipe = digits_recipe_of(run)
    if recipe.training.epochs is None:
        return recipe
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"steps": None})})


def make_network(recipe: DigitsRecipe, shape: tuple[int, int], classes: tuple[str, ...]) -> Recogniser:
    """The recipe's network for pictures of a shape, with weights drawn from PyTorch's random generator as it stands."""
    plan = recipe.model
    if plan.kind == "convolutional":
        kernel, padding = (plan.kernel, plan.padding) if plan.kernel else (5, 0) if min(shape) >= 16 else (3, 1)
        return ConvolutionalNetwork(
            shape, classes, plan.maps, kernel, padding, plan.pooling, plan.hidden, plan.activation,
            plan.initialisation, plan.dropout,
        )  # fmt: skip
    sizes = [shape[0] * shape[1], *plan.hidden, len(classes)]
    return Network(sizes, plan.activation, plan.cost, plan.initialisation, plan.dropout, classes, plan.output)


def _make_task(
    recipe: DigitsRecipe, data: DigitData, device: torch.device, group: Group, weights_from: Run | None = None
) -> DigitsTask:
    """The network with its first weights, on its data; chance is seeded here for all that follows."""
    seed_all(recipe.training.seed)
    model = make_network(recipe, data.shape, data.classes)
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
    return begin(
        lambda: _prepare(recipe, data, recipe.data.name, device, group, weights_from), path, group,
        minutes=minutes, weights_from=weights_from, listener=listener, checkpoint_seconds=checkpoint_seconds,
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
        run.write_classes({"classes": list(data.classes), "rows": rows, "columns": columns})

    return Prepared(recipe, _make_task(recipe, data, device, group, weights_from), facts, describe)


def go_on(
    run: Run, load_data: LoadData, device: torch.device, *, steps: int | None = None, data_name: str | None = None,
    listener: Listener | None = None, checkpoint_seconds: float = CHECKPOINT_SECONDS, group: Group | None = None,
) -> Trainer:  # fmt: skip
    """The trainer of an existing run, where its checkpoint left it. `data_name` says where its data is now.

    With other `steps` the learning rate's schedule is stretched over the new number, and the run remembers it.
    Raises `RunError` when its data changed since, or the run is damaged; `Error` for fewer steps than it made.
    """
    group = group or Group(device=device)

    def prepare(recipe: DigitsRecipe) -> Prepared:
        name = data_name or recipe.data.name
        return _prepare(recipe, load_data(name), name, device, group)

    return take_up(run, prepare, group, steps=steps, listener=listener, checkpoint_seconds=checkpoint_seconds)


def digits_recipe_of(run: Run) -> DigitsRecipe:
    """A run's recipe; `RunError` where the run is of another system."""
    recipe = run.recipe
    if isinstance(recipe, DigitsRecipe):
        return recipe
    raise RunError(f"{run.path} is a {recipe.system} run; this needs one of digits: kqv runs lists all")


def load_network(run: Run, best: bool = False) -> Recogniser:
    """The trained network of a run, in evaluation mode; with its last weights or, as `best`, those of its lowest
    validation loss. `RunError` when it is damaged, or has no such weights."""
    classes = run.classes
    model = make_network(digits_recipe_of(run), (classes["rows"], classes["columns"]), tuple(classes["classes"]))
    path = run.weights_file(best)
    put_weights(model, read_tensors(path)[0], str(path))
    return model.eval()
