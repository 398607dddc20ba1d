"""One traced pass of a digit recogniser: forward, backward, and the update that a training step would make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kqv.data.digits import load_digits
from kqv.data.pictures import prepare_picture
from kqv.errors import Error
from kqv.models.recogniser import Recogniser
from kqv.operations import argmax
from kqv.recording import note
from kqv.systems.digits.classes import classes_of
from kqv.systems.digits.trained import load_network
from kqv.systems.source import ModelSource
from kqv.systems.system import TraceAsked, Traced, Watcher
from kqv.trace.trace import Trace
from kqv.training.optimizer_state import optimizer_of
from kqv.training.optimizers import Optimizer
from kqv.training.run import Run


def trace_pictures(
    model: Recogniser, pictures: Tensor, labels: Tensor | None, optimizer: Optimizer | None = None,
    training: bool = False,
) -> Trace:  # fmt: skip
    """Trace a network on `pictures[batch, row, column]` (bytes) with the right `labels[batch]`.

    From the bytes to the verdict, back from the cost to the first weight, and with an optimizer the update. Without
    labels there is no cost, and the trace ends at the verdict.
    """
    with Trace(model, training=training) as trace:
        outputs = model(model.vector(pictures))
        model.probabilities(outputs)
        note("verdict", argmax(outputs), "batch")
        if labels is not None:
            torch.autograd.backward(model.loss(outputs, labels))
    if optimizer is not None and labels is not None:
        trace.step(optimizer)
    return trace


def load_for_tracing(run: Run) -> tuple[Recogniser, Optimizer]:
    """A run's network, and its optimizer before the next step that training would make."""
    model = load_network(run)
    return model, optimizer_of(run, model)


def as_batch(picture: Tensor, label: int) -> tuple[Tensor, Tensor]:
    """One picture `[row, column]` and its label as a batch of one."""
    return picture.unsqueeze(0), torch.tensor([label])


def trace(source: ModelSource, asked: TraceAsked, watcher: Watcher) -> Traced:
    """Trace a run's network on a picture file, or a test picture by its number (0 unless another one is asked for).

    The right class is what the data or `asked.label` says, else what the model says.
    Raises `Error` for a picture or a class that there is not.
    """
    run = source.require_run("only runs know digits")
    model, optimizer = load_for_tracing(run)
    picture, known, origin = _picture(run, asked.input or "0", watcher)
    wanted = known if asked.label is None else _index_of(asked.label, model.classes)
    said = model.classify(torch.from_numpy(picture).unsqueeze(0))[0]
    pictures, labels = as_batch(torch.from_numpy(picture), said.position if wanted is None else wanted)
    recorded = trace_pictures(model, pictures, labels, optimizer, asked.training)
    recorded.annotate(dimension="class", labels=model.classes)
    recorded.annotate("verdict", labels=[said.label])
    recorded.annotate(
        "labels", labels=[model.classes[int(labels)]], text="" if wanted is not None else "as the model says"
    )
    recorded.annotate("pixels", text=origin)
    truth = "its true class is not known" if wanted is None else f"it is {model.classes[wanted]}"
    heading = f"{origin}: the model says {said.label} ({100 * said.confidence:.1f} %); {truth}"
    layer = next(name for name, _ in model.named_modules() if name.startswith("layers."))
    example = f"--cell '{layer}.z[0,7]' --cell 'grad:{layer}.weight[7,30]'"
    return Traced(recorded, heading, example, asked.input or "0", picture=picture)


def _index_of(label: str, classes: tuple[str, ...]) -> int:
    if label not in classes:
        raise Error(f"the run has no class {label!r}; it has: {', '.join(classes)}")
    return classes.index(label)


def _picture(run: Run, given: str, watcher: Watcher) -> tuple[npt.NDArray[np.uint8], int | None, str]:
    """The picture `[row, column]`, its right class's index where the data tells it, and where it is from."""
    classes, data = classes_of(run), run.recipe.data.name
    if not given.isdigit() or Path(given).exists():
        return prepare_picture(given, (classes["rows"], classes["columns"])), None, given
    test = load_digits(data, progress=watcher.downloading).test
    if int(given) >= len(test):
        raise Error(f"there is no test picture {given}; {data} has 0 to {len(test) - 1}")
    return test.pixels[int(given)], int(test.labels[int(given)]), f"test picture {given} of {data}"
