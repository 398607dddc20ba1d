"""Training a digit recogniser: data, network and optimizer put together from a recipe, in a run directory."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kqv.data.digits import DigitData, Pictures
from kqv.errors import Error, RunError
from kqv.evaluation import score_pictures
from kqv.models.network import Network
from kqv.training.batches import Batches
from kqv.training.checkpoint import put_weights, read_tensors
from kqv.training.loop import Listener, Result, Trainer
from kqv.training.optimizers import AdamWOptimizer, GradientDescentOptimizer, Optimizer
from kqv.training.recipes import DigitsRecipe, TrainingPlan
from kqv.training.run import Run

LoadData = Callable[[str], DigitData]


class DigitsTask:
    """A network that learns labelled pictures; its batches are `(vectors[batch, in], labels[batch])`."""

    unit = "pictures"

    def __init__(self, model: Network, data: DigitData, recipe: DigitsRecipe, device: torch.device) -> None:
        self.model = model
        self.shape = data.shape
        self.shift = round(recipe.data.shift * data.shape[1])  # in pixels
        self.batches = Batches(len(data.train), recipe.training.batch, recipe.training.seed)
        self.steps_per_epoch = self.batches.per_epoch
        self.train = vectors_of(model, data.train, device)
        self.validation = vectors_of(model, data.validation, device)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The pictures of a step, shifted at random by up to `shift` pixels."""
        vectors, labels = self.train
        places = self.batches.places(step).to(labels.device)
        chosen = vectors[places]
        return (shifted(chosen, self.shape, self.shift) if self.shift else chosen), labels[places]

    def size(self, batch: tuple[Tensor, Tensor]) -> int:
        """How many pictures a batch has."""
        return len(batch[1])

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The cost of a batch."""
        vectors, labels = batch
        return self.model.loss(self.model(vectors), labels)

    def evaluate(self) -> dict[str, float]:
        """Loss and accuracy over the whole validation set."""
        scores = score_pictures(self.model, *self.validation)
        return {"loss": scores.loss, "accuracy": scores.accuracy}


def vectors_of(model: Network, pictures: Pictures, device: torch.device) -> tuple[Tensor, Tensor]:
    """Pictures as the network's input `[picture, in]`, and their labels `[picture]`."""
    with torch.no_grad():
        vectors = model.vector(torch.from_numpy(pictures.pixels).to(device))
    return vectors, torch.from_numpy(pictures.labels).to(device)


def shifted(vectors: Tensor, shape: tuple[int, int], most: int) -> Tensor:
    """Each picture of `vectors[batch, in]` moved by a random whole number of pixels up to `most` in both directions."""
    rows, columns = shape
    batch = len(vectors)
    moves = torch.randint(0, 2 * most + 1, (2, batch, 1, 1), device=vectors.device)
    padded = torch.nn.functional.pad(vectors.reshape(batch, rows, columns), (most, most, most, most))
    down = torch.arange(rows, device=vectors.device).reshape(1, rows, 1) + moves[0]
    right = torch.arange(columns, device=vectors.device).reshape(1, 1, columns) + moves[1]
    flat = (down * (columns + 2 * most) + right).reshape(batch, -1)
    return padded.reshape(batch, -1).gather(1, flat)


def choose_device(name: str) -> torch.device:
    """`auto`: a GPU where there is one, else the CPU; `Error` for a device that is not there."""
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next((kind for kind in ("cuda", "mps") if present[kind]), "cpu"))
    if name not in present:
        raise Error(f"there is no device {name!r}; choose one of: auto, {', '.join(present)}")
    if not present[name]:
        raise Error(f"this machine has no {name} device that PyTorch can use; choose --device auto or cpu")
    return torch.device(name)


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


def make_network(recipe: DigitsRecipe, pixels: int, classes: tuple[str, ...]) -> Network:
    """The recipe's network, with weights drawn from PyTorch's random generator as it stands."""
    plan = recipe.model
    return Network(
        [pixels, *plan.hidden, len(classes)], plan.activation, plan.cost, plan.initialisation, plan.dropout, classes
    )  # fmt: skip


def make_optimizer(model: Network, plan: TrainingPlan) -> Optimizer:
    """The plan's optimizer over all of the model's parameters."""
    named = model.named_parameters()
    if plan.optimizer == "adamw":
        return AdamWOptimizer(named, plan.learning_rate, plan.weight_decay, plan.betas)
    return GradientDescentOptimizer(named, plan.learning_rate, plan.weight_decay, plan.momentum)


def start(
    recipe: DigitsRecipe, data: DigitData, path: Path, device: torch.device, *,
    minutes: float | None = None, weights_from: Path | None = None, listener: Listener | None = None,
) -> tuple[Run, Trainer]:  # fmt: skip
    """A new run, ready to train. `minutes` sets the steps from the measured time of a few; `weights_from` is a run
    whose weights it starts from. Raises `Error` where the run's directory is taken or cannot be written."""
    data = limited(data, recipe)
    torch.manual_seed(recipe.training.seed)
    rows, columns = data.shape
    model = make_network(recipe, rows * columns, data.classes).to(device)
    if weights_from is not None:
        other = Run.find(weights_from)
        put_weights(model, read_tensors(other.model_file)[0], str(other.model_file))
    task = DigitsTask(model, data, recipe, device)
    recipe = _resolve_steps(recipe, task, minutes)
    config: dict[str, Any] = {
        "system": "digits",
        "recipe": recipe.model_dump(mode="json"),
        "versions": {"kqv": version("kqv"), "torch": torch.__version__, "python": platform.python_version()},
        "device": device.type,
        "threads": torch.get_num_threads(),
        "data": {
            "name": recipe.data.name, "train": len(data.train), "validation": len(data.validation),
            "test": len(data.test), "sha256": fingerprint(data),
        },
    }  # fmt: skip
    run = Run.create(path, config, {"classes": list(data.classes), "rows": rows, "columns": columns})
    return run, Trainer(task, make_optimizer(model, recipe.training), recipe.training, run, listener)


def go_on(run: Run, load_data: LoadData, device: torch.device, *, steps: int | None = None,
          listener: Listener | None = None) -> Trainer:  # fmt: skip
    """The trainer of an existing run, where its checkpoint left it; `RunError` when its data changed since."""
    recipe, config = run.recipe, run.config
    data = limited(load_data(recipe.data.name), recipe)
    if fingerprint(data) != config.get("data", {}).get("sha256"):
        raise RunError(
            f"the data {recipe.data.name!r} is not what {run.path} was trained on; put the old data back, or start a "
            f"new run from its weights: kqv train digits --from {run.path}"
        )
    if device.type == "cpu":
        torch.set_num_threads(int(config.get("threads", torch.get_num_threads())))  # sums split as before
    torch.manual_seed(recipe.training.seed)
    rows, columns = data.shape
    model = make_network(recipe, rows * columns, data.classes).to(device)
    plan = recipe.training if steps is None else recipe.training.model_copy(update={"steps": steps})
    trainer = Trainer(DigitsTask(model, data, recipe, device), make_optimizer(model, plan), plan, run, listener)
    trainer.resume()
    return trainer


def _resolve_steps(recipe: DigitsRecipe, task: DigitsTask, minutes: float | None) -> DigitsRecipe:
    plan = recipe.training
    steps = plan.steps
    if minutes is not None:
        steps = max(1, round(60 * minutes / _seconds_per_step(task)))
    elif steps is None:
        steps = max(1, round((plan.epochs or 1) * task.steps_per_epoch))
    return recipe.model_copy(update={"training": plan.model_copy(update={"steps": steps})})


def _seconds_per_step(task: DigitsTask, budget: float = 1.0) -> float:
    """The time of a step without its update, measured for about a second; leaves no trace in weights or generators."""
    state = torch.get_rng_state()
    steps, began = 0, time.perf_counter()
    while steps < 3 or time.perf_counter() - began < budget:
        if steps == 2:  # the first steps allocate memory
            began = time.perf_counter()
        task.loss(task.batch(steps)).backward()
        steps += 1
    task.model.zero_grad(set_to_none=True)
    torch.set_rng_state(state)
    return 1.2 * (time.perf_counter() - began) / max(1, steps - 2)  # the update and the evaluations add about a fifth


def load_network(run: Run) -> Network:
    """The trained network of a run, in evaluation mode; `RunError` when it is damaged or has no weights yet."""
    classes = run.classes
    model = make_network(run.recipe, classes["rows"] * classes["columns"], tuple(classes["classes"]))
    if run.model_file.exists() or not run.checkpoint_file.exists():
        put_weights(model, read_tensors(run.model_file)[0], str(run.model_file))
    else:  # stopped between the checkpoint and the weights
        tensors, _ = read_tensors(run.checkpoint_file)
        own = {name[len("model/") :]: tensor for name, tensor in tensors.items() if name.startswith("model/")}
        put_weights(model, own, str(run.checkpoint_file))
    return model.eval()


def load(name: str | Path) -> Network:
    """The trained network of a run: its path, its name in `runs`, or `latest`. Raises `RunError`."""
    return load_network(Run.find(name))


__all__ = ["DigitsTask", "Result", "choose_device", "go_on", "load", "load_network", "start"]
