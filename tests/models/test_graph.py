"""Which derivatives a backward pass takes: each model's autograd graph has only our own, and what moves elements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from twins import FAMILIES, batch, gpt

from kqv.models.convolutional import ConvolutionalNetwork
from kqv.models.feed_forward import FEED_FORWARD
from kqv.models.network import Network
from kqv.models.normalisers import NORMALISERS
from kqv.models.scores import SCORES
from kqv.operations import OPERATIONS

BOOKKEEPING = frozenset(
    {
        "AccumulateGrad",  # a parameter receives its gradient
        "CloneBackward0",  # heads side by side again, where that needs a copy
        "PermuteBackward0",
        "SplitWithSizesBackward0",  # queries, keys and values part
        "TransposeBackward0",
        "UnsafeViewBackward0",  # the view of that copy
        "ViewBackward0",
    }
)
"""Nodes of PyTorch that only move elements or store them; nothing here multiplies, adds or bends."""

OURS = {operation.name.title().replace("_", "") + "Backward" for operation in OPERATIONS.values()}


def gpt_loss(written_out: bool = False, **options: Any) -> Tensor:
    """The loss of the small GPT."""
    ids, targets = batch()
    model = gpt(written_out, **options)
    return model.loss(model(ids), targets)


def network_loss(**choices: object) -> Tensor:
    """The loss of the textbook's network on four pictures."""
    torch.manual_seed(3)
    network = Network([784, 30, 10], **choices)  # type: ignore[arg-type]
    pictures, labels = torch.randint(0, 256, (4, 28, 28), dtype=torch.uint8), torch.randint(0, 10, (4,))
    return network.loss(network(network.vector(pictures)), labels)


def convolutional_loss(**choices: object) -> Tensor:
    """The loss of a small convolutional network on four pictures."""
    torch.manual_seed(4)
    network = ConvolutionalNetwork((12, 14), "abc", maps=(2, 3), kernel=3, hidden=(5,), **choices)  # type: ignore[arg-type]
    pictures, labels = torch.randint(0, 256, (4, 12, 14), dtype=torch.uint8), torch.randint(0, 3, (4,))
    return network.loss(network(network.vector(pictures)), labels)


LOSSES: dict[str, Callable[[], Tensor]] = {
    "gpt, fused attention": gpt_loss,
    "gpt, attention written out": lambda: gpt_loss(written_out=True),
    "gpt, no biases": lambda: gpt_loss(bias=False),
    "gpt, dropout": lambda: gpt_loss(dropout=0.3),
    "gpt, gelu by tanh": lambda: gpt_loss(feed_forward="gelu-tanh"),
    **{f"gpt, {family}": partial(gpt_loss, **parts) for family, parts in FAMILIES.items()},
    **{f"gpt, {family}, written out": partial(gpt_loss, True, **parts) for family, parts in FAMILIES.items()},
    **{f"gpt, {score} score": partial(gpt_loss, score=score, heads=6, key_heads=3) for score in SCORES},
    **{f"gpt, {normaliser} weights": partial(gpt_loss, normaliser=normaliser) for normaliser in NORMALISERS},
    **{f"gpt, {part}": partial(gpt_loss, feed_forward=part) for part in FEED_FORWARD},
    "gpt, ALiBi, a window, learned scale": lambda: gpt_loss(positions="alibi", mask="window", scale="learned"),
    "gpt, no norms and residuals": lambda: gpt_loss(norm="none", residual="none"),
    "gpt, sinusoidal positions, norms after": lambda: gpt_loss(positions="sinusoidal", block="post-norm"),
    "network": network_loss,
    "network, cross-entropy and relu": lambda: network_loss(cost="cross-entropy", activation="relu"),
    "network, tanh and dropout": lambda: network_loss(activation="tanh", dropout=0.5),
    "network, cross-entropy of sigmoids": lambda: network_loss(cost="cross-entropy", output="sigmoid"),
    "convolutional": convolutional_loss,
    "convolutional, padding, tanh and dropout": lambda: convolutional_loss(padding=1, activation="tanh", dropout=0.5),
}


def nodes(loss: Tensor) -> Iterator[torch.autograd.graph.Node]:
    """Every node of the graph that the loss's backward pass will walk, each once."""
    assert loss.grad_fn is not None
    waiting, seen = [loss.grad_fn], {loss.grad_fn}
    while waiting:
        node = waiting.pop()
        yield node
        further = {parent for parent, _ in node.next_functions if parent is not None} - seen
        seen |= further
        waiting.extend(further)


@pytest.mark.parametrize("name", LOSSES)
def test_every_derivative_is_ours(name: str) -> None:
    graph = list(nodes(LOSSES[name]()))
    ours = {node.name() for node in graph if isinstance(node, BackwardCFunction)}
    theirs = {node.name().rpartition("::")[2] for node in graph if not isinstance(node, BackwardCFunction)}
    assert ours, "the graph has no operation of ours"
    assert ours <= OURS
    assert theirs <= BOOKKEEPING


def test_the_list_of_bookkeeping_nodes_is_as_short_as_can_be() -> None:
    graphs = [node for make in LOSSES.values() for node in nodes(make())]
    met = {node.name().rpartition("::")[2] for node in graphs if not isinstance(node, BackwardCFunction)}
    assert met == BOOKKEEPING


def test_the_walk_finds_a_derivative_that_is_not_ours() -> None:
    found = {node.name() for node in nodes(torch.exp(network_loss()))}
    assert "ExpBackward0" in found
