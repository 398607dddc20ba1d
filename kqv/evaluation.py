"""Scores of a model over a whole set of examples: accuracy, loss, and which classes it takes for which."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kqv.models.gpt import GPT
from kqv.models.recogniser import Recogniser

CHUNK = 2000
TOKENS_AT_ONCE = 8192


@dataclass(frozen=True)
class DigitScores:
    """Scores of a classifier: `confusion[true, said]` counts pictures, `places[picture]` is what it said, with which
    `confidence[picture]`, and `right[picture]` whether it is so."""

    loss: float
    accuracy: float
    correct: int
    pictures: int
    confusion: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]


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
def score_pictures(model: Recogniser, vectors: Tensor, labels: Tensor) -> DigitScores:
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
        right=(places == labels.cpu()).numpy(),
    )


@dataclass(frozen=True, eq=False)
class Calibration:
    """Confidence against accuracy by bins: `counts`, mean `confidence` and `accuracy` of each `[bin]` between `edges`
    (means of empty bins are 0), and the expected calibration `error`."""

    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    error: float


def calibration(scores: DigitScores, bins: int = 15) -> Calibration:
    """How far confidence can be trusted: ECE = Σ_b (n_b / n) |accuracy_b − confidence_b| over `bins` of equal width.

    Guo et al. 2017, On Calibration of Modern Neural Networks, eq. (3). A confidence on an edge belongs to the bin
    below it.
    """
    edges = np.linspace(0, 1, bins + 1)
    of_bin = np.clip(np.searchsorted(edges, scores.confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(of_bin, minlength=bins)
    filled = np.maximum(counts, 1)
    confidence = np.bincount(of_bin, scores.confidence, minlength=bins) / filled
    accuracy = np.bincount(of_bin, scores.right.astype(np.float64), minlength=bins) / filled
    error = float((counts * np.abs(accuracy - confidence)).sum() / max(1, counts.sum()))
    return Calibration(edges, counts, confidence, accuracy, error)


def first_layer_pictures(model: nn.Module, shape: tuple[int, int]) -> npt.NDArray[np.float64] | None:
    """The first weights of a model as pictures `[neuron, row, column]`: of a layer that takes pictures of `shape`, or
    the kernels of a convolution; None where they are neither."""
    weight = next((one.detach().double().cpu().numpy() for one in model.parameters() if one.dim() > 1), None)
    if weight is None:
        return None
    if weight.ndim == 4:
        return np.asarray(weight[:, 0])
    if weight.ndim == 2 and weight.shape[1] == shape[0] * shape[1]:
        return np.asarray(weight.reshape(-1, *shape))
    return None


@dataclass(frozen=True)
class TextScores:
    """Scores of a model of text: `loss` in nats for each token, and how many `tokens` were predicted."""

    loss: float
    tokens: int
    bytes_per_token: float

    @property
    def perplexity(self) -> float:
        """exp(loss): among how many equally likely tokens the model is undecided, on average."""
        return math.exp(self.loss)

    @property
    def bits_per_byte(self) -> float:
        """The loss in bits for each byte of the text, which models with different vocabularies can be compared by."""
        return self.loss / math.log(2) / self.bytes_per_token


@torch.no_grad()
def score_text(
    model: GPT, ids: npt.NDArray[Any], context: int, bytes_per_token: float, device: torch.device
) -> TextScores:
    """Score a model on a whole text of `ids`: windows of `context` tokens side by side, every token but the first
    predicted once. The model is left in its mode."""
    predicted = len(ids) - 1
    total = 0.0
    with in_evaluation_mode(model):
        for first, length, count in _windows(predicted, context):
            last = first + count * length
            tokens = torch.from_numpy(ids[first : last + 1].astype(np.int64)).to(device)
            logits = model(tokens[:-1].view(count, length))
            total += float(model.loss(logits, tokens[1:].view(count, length))) * count * length
    return TextScores(total / predicted, predicted, bytes_per_token)


def _windows(predicted: int, context: int) -> Iterator[tuple[int, int, int]]:
    """(first token, length, how many windows of that length) for several windows at once, then for the rest."""
    at_once = max(1, TOKENS_AT_ONCE // context)
    first = 0
    while predicted - first >= context:
        count = min(at_once, (predicted - first) // context)
        yield first, context, count
        first += count * context
    if first < predicted:
        yield first, predicted - first, 1
