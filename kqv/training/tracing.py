"""One traced pass of a run's model on one input: forward, backward, and the update that a training step would make."""

from __future__ import annotations

import torch
from torch import Tensor

from kqv.models.gpt import GPT
from kqv.models.recogniser import Recogniser
from kqv.operations import argmax
from kqv.tensors import read_tensors
from kqv.trace.recorder import note
from kqv.trace.trace import Trace
from kqv.training.digits import load_network
from kqv.training.gpt import LoadedGPT, load_gpt
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


def trace_text(model: GPT, ids: Tensor, optimizer: Optimizer | None = None, training: bool = False) -> Trace:
    """Trace a GPT on the tokens `ids[position]` of one text: each place is to say the token after it.

    From the ids to what may come next, back from the cost to the embeddings, and with an optimizer the update.
    """
    given, targets = ids[None, :-1], ids[None, 1:]  # cut before the trace, which would record that too
    with Trace(model, training=training) as trace:
        logits = model(given)
        note("verdict", argmax(logits), "batch position")
        torch.autograd.backward(model.loss(logits, targets))
    if optimizer is not None:
        trace.step(optimizer)
    return trace


def load_for_tracing(run: Run) -> tuple[Recogniser, Optimizer]:
    """A run's network and its optimizer with the state that training left, at the recipe's full learning rate."""
    model = load_network(run)
    return model, with_state(run, make_optimizer(model, run.recipe.training))


def load_text_for_tracing(run: Run) -> tuple[LoadedGPT, Optimizer]:
    """A run's GPT with its vocabulary, and its optimizer as `load_for_tracing`."""
    loaded = load_gpt(run)
    return loaded, with_state(run, make_optimizer(loaded.model, run.recipe.training))


def with_state(run: Run, optimizer: Optimizer) -> Optimizer:
    """The optimizer with the state that the run's training left."""
    if run.checkpoint_file.exists():
        tensors, _ = read_tensors(run.checkpoint_file)
        prefix = "optimizer/"
        state = {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
        optimizer.restore(state, str(run.checkpoint_file))
    return optimizer


def as_batch(picture: Tensor, label: int) -> tuple[Tensor, Tensor]:
    """One picture `[row, column]` and its label as a batch of one."""
    return picture.unsqueeze(0), torch.tensor([label])
