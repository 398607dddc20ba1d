"""Training a digit recogniser: data, network and optimizer put together from a recipe, in a run directory."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from importlib.metadata import version
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
from kqv.training.checkpoint import Checkpoint
from kqv.training.digits_task import DigitsTask
from kqv.training.distributed import Group
from kqv.training.loop import CHECKPOINT_SECONDS, Listener, Trainer
from kqv.training.optimizers import AdamWOptimizer, GradientDescentOptimizer, Optimizer
from kqv.training.pace import steps_within
from kqv.training.parsing import one_line
from kqv.training.randomness import seed_all
from kqv.training.recipes import DigitsRecipe, TrainingPlan
from kqv.training.run import Config, DataFacts, Lengthened, Run

LoadData = Callable[[str], DigitData]


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
    recipe = run.recipe
    if recipe.training.epochs is None:
        return recipe
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"steps": None})})


def make_network(recipe: DigitsRecipe, shape: tuple[int, int], classes: tuple[str, ...]) -> Recogniser:
    """The recipe's network for pictures of a shape, with weights drawn from PyTorch's random generator as it stands."""
    plan = recipe.model
    if plan.kind == "convolutional":
        return ConvolutionalNetwork(
            shape, classes, plan.maps, plan.kernel, plan.padding, plan.pooling, plan.hidden, plan.activation,
            plan.initialisation, plan.dropout,
        )  # fmt: skip
    sizes = [shape[0] * shape[1], *plan.hidden, len(classes)]
    return Network(sizes, plan.activation, plan.cost, plan.initialisation, plan.dropout, classes, plan.output)


def make_optimizer(model: Recogniser, plan: TrainingPlan) -> Optimizer:
    """The plan's optimizer over all of the model's parameters."""
    named = model.named_parameters()
    if plan.optimizer == "adamw":
        return AdamWOptimizer(named, plan.learning_rate, plan.weight_decay, plan.betas)
    return GradientDescentOptimizer(named, plan.learning_rate, plan.weight_decay, plan.momentum, plan.l1)


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
    group, run = group or Group(device=device), Run(path)
    if group.is_first:
        run.require_free()
    try:
        data = limited(data, recipe)
        task = _make_task(recipe, data, device, group, weights_from)
        recipe = _with_steps(recipe, task, minutes, group)
        trainer = Trainer(
            task, make_optimizer(task.model, recipe.training), recipe.training, run, listener,
            checkpoint_seconds=checkpoint_seconds, group=group,
        )  # fmt: skip
        with run.made() if group.is_first else nullcontext():
            trainer.save()
            if group.is_first:
                rows, columns = data.shape
                config = _config(recipe, data, group, weights_from)
                run.describe(config, {"classes": list(data.classes), "rows": rows, "columns": columns})
    except BaseException:
        if group.is_first:
            with suppress(OSError):  # an empty folder that was made for the run; one with anything in it stays
                path.rmdir()
        raise
    return run, trainer


def _with_steps(recipe: DigitsRecipe, task: DigitsTask, minutes: float | None, group: Group) -> DigitsRecipe:
    plan = recipe.training
    steps = plan.steps
    if minutes is not None:
        steps = steps_within(minutes, task, make_optimizer(task.model, plan), group)
    elif steps is None:
        steps = max(1, round((plan.epochs or 1) * task.evaluate_every))
    return recipe.model_copy(update={"training": plan.model_copy(update={"steps": steps})})


def _versions() -> dict[str, str]:
    return {"kqv": version("kqv"), "torch": torch.__version__, "python": platform.python_version()}


def _config(recipe: DigitsRecipe, data: DigitData, group: Group, weights_from: Run | None) -> Config:
    return Config(
        recipe=recipe,
        versions=_versions(),
        device=group.device.type,
        threads=torch.get_num_threads(),
        processes=group.size,
        data=DataFacts(
            name=recipe.data.name, train=len(data.train), validation=len(data.validation),
            test=len(data.test), sha256=fingerprint(data),
        ),
        weights_from=None if weights_from is None else str(weights_from.path),
    )  # fmt: skip


def device_of(run: Run) -> torch.device:
    """The kind of device that a run was begun on, or the best one where this machine has none of it."""
    with suppress(Error):
        return choose_device(run.config.device)
    return choose_device("auto")


def what_differs(run: Run, group: Group) -> list[str]:
    """Why a run that goes on here may end with other last bits than where it was begun: a line for each reason."""
    config = run.config
    before = {"device": config.device, "processes": str(config.processes), "torch": config.versions.get("torch", "?")}
    now = {"device": group.device.type, "processes": str(group.size), "torch": str(torch.__version__)}
    return [f"{name} {before[name]} then, {now[name]} now" for name in before if before[name] != now[name]]


def go_on(
    run: Run, load_data: LoadData, device: torch.device, *, steps: int | None = None, data_name: str | None = None,
    listener: Listener | None = None, checkpoint_seconds: float = CHECKPOINT_SECONDS, group: Group | None = None,
) -> Trainer:  # fmt: skip
    """The trainer of an existing run, where its checkpoint left it. `data_name` says where its data is now.

    With other `steps` the learning rate's schedule is stretched over the new number, and the run remembers it.
    Raises `RunError` when its data changed since, or the run is damaged; `Error` for fewer steps than it made.
    """
    group = group or Group(device=device)
    config = run.config
    checkpoint = Checkpoint.read(run.checkpoint_file)
    if steps is not None and steps != config.recipe.training.steps:
        config = _lengthened(run, config, checkpoint.counters.step, steps)
    recipe = config.recipe
    data = limited(load_data(data_name or recipe.data.name), recipe)
    if fingerprint(data) != config.data.sha256:
        raise RunError(
            f"the data {data_name or recipe.data.name!r} is not what {run.path} was trained on; put the old data back, "
            f"say with --data where it is, or start a new run from its weights: kqv train digits --from {run.path}"
        )
    if device.type == "cpu":
        torch.set_num_threads(config.threads)  # sums are split as before
    task = _make_task(recipe, data, device, group)
    trainer = Trainer(
        task, make_optimizer(task.model, recipe.training), recipe.training, run, listener,
        checkpoint_seconds=checkpoint_seconds, group=group,
    )  # fmt: skip
    trainer.resume(checkpoint)
    if config != run.config and group.is_first:
        with run.locked():
            run.write_config(config)
    return trainer


def _lengthened(run: Run, config: Config, done: int, steps: int) -> Config:
    """The configuration with another number of steps; `Error` where more are made already."""
    if steps <= done:
        raise Error(f"{run.path} has made {done:,} steps already; give --steps more than that, or leave it out")
    plan = config.recipe.training
    assert plan.steps is not None
    recipe = config.recipe.model_copy(update={"training": plan.model_copy(update={"steps": steps})})
    change = Lengthened(at_step=done, steps_before=plan.steps)
    return config.model_copy(update={"recipe": recipe, "lengthened": (*config.lengthened, change)})


def load_network(run: Run) -> Recogniser:
    """The trained network of a run, in evaluation mode; `RunError` when it is damaged."""
    classes = run.classes
    model = make_network(run.recipe, (classes["rows"], classes["columns"]), tuple(classes["classes"]))
    put_weights(model, read_tensors(run.model_file)[0], str(run.model_file))
    return model.eval()


def load(name: str | Path) -> Recogniser:
    """The trained network of a run: its path, its name in `runs`, or `latest`. Raises `RunError`."""
    return load_network(Run.find(name))
