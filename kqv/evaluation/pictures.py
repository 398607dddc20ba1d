"""Scores of a classifier over a whole set of pictures: accuracy, loss, and which classes it takes for which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kqv.data.text.tokens import Advance
from kqv.models.modes import in_evaluation_mode
from kqv.models.recogniser import Recogniser

CHUNK = 2000


@dataclass(frozen=True)
class DigitScores:
    """Scores of a classifier: `confusion[true, said]` counts pictures, `positions[picture]` is what it said, with which
    `confidence[picture]`, and `right[picture]` whether it is so."""

    loss: float
    accuracy: float
    correct: int
    pictures: int
    confusion: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PictureEvaluation:
    """All verdicts on a set of pictures: `pixels[picture, row, column]` with their right `labels[picture]`, the scores
    on them, and the first layer's `weights[neuron, row, column]`, None where they are no pictures."""

    title: str
    classes: tuple[str, ...]
    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    scores: DigitScores
    weights: npt.NDArray[np.float64] | None


@torch.no_grad()
def score_pictures(
    model: Recogniser, vectors: Tensor, labels: Tensor, advance: Advance | None = None
) -> DigitScores:  # fmt: skip
    """Score a network on `vectors[picture, in]` with the right `labels[picture]`; the model is left in its mode.

    `advance` is told between two passes how many pictures are scored of how many; what it raises ends it.
    """
    losses, said, confidence = [], [], []
    with in_evaluation_mode(model):
        for start in range(0, len(vectors), CHUNK):
            if advance is not None and start:
                advance(start, len(vectors))
            outputs = model(vectors[start : start + CHUNK])
            wanted = labels[start : start + CHUNK]
            losses.append(float(model.loss(outputs, wanted)) * len(wanted))
            probabilities, positions = model.probabilities(outputs).max(-1)
            said.append(positions)
            confidence.append(probabilities)
    positions = torch.cat(said).cpu()
    correct = int((positions == labels.cpu()).sum())
    classes = len(model.classes)
    confusion = torch.bincount(labels.cpu() * classes + positions, minlength=classes * classes)
    return DigitScores(
        loss=sum(losses) / len(labels),
        accuracy=correct / len(labels),
        correct=correct,
        pictures=len(labels),
        confusion=confusion.reshape(classes, classes).numpy(),
        positions=positions.numpy(),
        confidence=torch.cat(confidence).double().cpu().numpy(),
        right=(positions == labels.cpu()).numpy(),
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
