"""One traced pass of a run's model on one input: forward, backward, and the update that a training step would make."""

from __future__ import annotations

import torch
from torch import Tensor

from kqv.models.recogniser import Recogniser
from kqv.operations import argmax
from kqv.tensors import read_tensors
from kqv.trace.recorder import note
from kqv.trace.trace import Trace
from kqv.training.digits import load_network
from kqv.training.optimizers import Optimizer
from kqv.training.run import Run
from kqv.training.starting import make_optimizer


def trace_pictures(
    model: Recogniser, pictures: Tensor, labels: Tensor, optimizer: Optimizer | None = None, training: bool = False
) -> Trace:
    """Trace a network on `pictures[batch, row, column]` (bytes) with the right `labels[batch]`.

    From the bytes to the verdict, back from the cost to the first weight, and with an optimizer the update.
    """
    with Trace(model, training=training) as trace:
        outputs = model(model.vector(pictures))
        model.shares(outputs)
        note("verdict", argmax(outputs), "batch")
        torch.autograd.backward(model.loss(outputs, labels))
    if optimizer is not None:
        trace.step(optimizer)
    return trace


def load_for_tracing(run: Run) -> tuple[Recogniser, Optimizer]:
    """A run's network and its optimizer with the state that training left, at the recipe's full learning rate."""
    model = load_network(run)
    optimizer = make_optimizer(model, run.recipe.training)
    if run.checkpoint_file.exists():
        tensors, _ = read_tensors(run.checkpoint_file)
        prefix = "optimizer/"
        optimizer.restore({name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)})
    return model, optimizer


def as_batch(picture: Tensor, label: int) -> tuple[Tensor, Tensor]:
    """One picture `[row, column]` and its label as a batch of one."""
    return picture.unsqueeze(0), torch.tensor([label])
