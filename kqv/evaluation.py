"""Scores of a model over a whole set of examples: accuracy, loss, and which classes it takes for which."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kqv.models.network import Network

CHUNK = 2000


@dataclass(frozen=True)
class DigitScores:
    """Scores of a classifier: `confusion[true, said]` counts pictures, `places[picture]` is what it said."""

    loss: float
    accuracy: float
    correct: int
    pictures: int
    confusion: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]


@contextmanager
def in_evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Without dropout inside; the model's own mode afterwards."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


@torch.no_grad()
def score_pictures(model: Network, vectors: Tensor, labels: Tensor) -> DigitScores:
    """Score a network on `vectors[picture, in]` with the right `labels[picture]`; the model is left in its mode."""
    losses, said, confidence = [], [], []
    with in_evaluation_mode(model):
        for start in range(0, len(vectors), CHUNK):
            outputs = model(vectors[start : start + CHUNK])
            wanted = labels[start : start + CHUNK]
            losses.append(float(model.loss(outputs, wanted)) * len(wanted))
            shares, places = model.shares(outputs).max(-1)
            said.append(places)
            confidence.append(shares)
    places = torch.cat(said).cpu()
    correct = int((places == labels.cpu()).sum())
    classes = len(model.classes)
    confusion = torch.bincount(labels.cpu() * classes + places, minlength=classes * classes)
    return DigitScores(
        loss=sum(losses) / len(labels),
        accuracy=correct / len(labels),
        correct=correct,
        pictures=len(labels),
        confusion=confusion.reshape(classes, classes).numpy(),
        places=places.numpy(),
        confidence=torch.cat(confidence).double().cpu().numpy(),
    )
