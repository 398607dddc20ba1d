"""Switching a model to evaluation mode, or to training mode, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from torch import nn


@contextmanager
def in_mode(model: nn.Module, training: bool) -> Iterator[None]:
    """Every module in training mode (with dropout) or in evaluation mode inside; each in its own mode afterwards."""
    others = [module for module in model.modules() if module.training is not training]
    if others:
        model.train(training)
    try:
        yield
    finally:
        for module in others:  # train() would set those in it too
            module.training = not training


def in_evaluation_mode(model: nn.Module) -> AbstractContextManager[None]:
    """Without dropout inside; every module in its own mode afterwards."""
    return in_mode(model, False)
