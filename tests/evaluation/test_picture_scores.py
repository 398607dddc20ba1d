"""Scores over a whole set."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from kqv.errors import DimensionError
from kqv.evaluation import pictures as evaluation
from kqv.evaluation.pictures import DigitScores, calibration, first_layer_pictures, score_pictures
from kqv.models.network import Network


@pytest.fixture
def case() -> tuple[Network, torch.Tensor, torch.Tensor]:
    """A network with dropout, and more pictures than labels occur: class 4 never does."""
    torch.manual_seed(3)
    model = Network([6, 9, 5], cost="cross-entropy", dropout=0.5, initialisation="he-normal")
    return model, torch.randn(101, 6), torch.randint(0, 4, (101,))


def test_scores_are_those_of_all_pictures_at_once(case: tuple[Network, torch.Tensor, torch.Tensor]) -> None:
    model, vectors, labels = case
    scores = score_pictures(model, vectors, labels)
    with torch.no_grad():
        logits = model.eval()(vectors)
    said = logits.argmax(1)
    assert scores.loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)))
    assert scores.correct == int((said == labels).sum())
    assert scores.accuracy == scores.correct / 101
    assert scores.pictures == 101
    assert scores.positions.tolist() == said.tolist()
    np.testing.assert_allclose(scores.confidence, logits.softmax(1).max(1).values, rtol=1e-5)
    np.testing.assert_array_equal(scores.confusion, confusion_matrix(labels, said, labels=range(5)))


@pytest.mark.parametrize("chunk", [1, 10, 100, 101, 5000])
def test_chunks_of_any_size_give_the_same(
    chunk: int, case: tuple[Network, torch.Tensor, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, vectors, labels = case
    whole = score_pictures(model, vectors, labels)
    monkeypatch.setattr(evaluation, "CHUNK", chunk)
    parts = score_pictures(model, vectors, labels)
    assert parts.loss == pytest.approx(whole.loss)
    assert parts.correct == whole.correct
    np.testing.assert_array_equal(parts.confusion, whole.confusion)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_scored_without_dropout_and_left_in_its_mode(
    training: bool, case: tuple[Network, torch.Tensor, torch.Tensor]
) -> None:
    model, vectors, labels = case
    model.train(training)
    state = torch.get_rng_state()
    assert score_pictures(model, vectors, labels).loss == score_pictures(model, vectors, labels).loss
    assert model.training is training
    assert torch.equal(torch.get_rng_state(), state), "scoring uses up no chance"
    with pytest.raises(DimensionError):
        score_pictures(model, vectors[:, :5], labels)
    assert model.training is training


def scores_of(confidence: list[float], right: list[bool]) -> DigitScores:
    """Scores of which only confidence and right matter."""
    none = np.zeros(0, dtype=np.int64)
    return DigitScores(0.0, 0.0, 0, len(right), none, none, np.array(confidence), np.array(right))


def test_calibration_is_the_mean_gap_of_the_bins() -> None:
    chance = np.random.default_rng(0)
    confidence, right = chance.random(500), chance.random(500) < 0.5
    found = calibration(scores_of(confidence.tolist(), right.tolist()), bins=10)
    gaps = 0.0
    for low, high in zip(found.edges[:-1], found.edges[1:], strict=True):
        inside = (confidence > low) & (confidence <= high)
        gaps += inside.sum() / 500 * abs(right[inside].mean() - confidence[inside].mean())
    assert found.error == pytest.approx(gaps)
    assert found.counts.sum() == 500


def test_sure_and_right_is_calibrated_and_edges_belong_below() -> None:
    assert calibration(scores_of([1.0, 1.0], [True, True])).error == 0
    assert calibration(scores_of([1.0, 1.0], [True, False])).error == 0.5
    assert calibration(scores_of([0.5, 0.0, 1.0], [True] * 3), bins=2).counts.tolist() == [2, 1]


def test_first_layers_are_pictures_where_they_take_pictures() -> None:
    model = Network([6, 9, 5])
    found = first_layer_pictures(model, (2, 3))
    assert found is not None
    np.testing.assert_allclose(found.reshape(9, 6), next(model.parameters()).detach())
    assert first_layer_pictures(model, (3, 3)) is None
    kernels = torch.nn.Conv2d(1, 4, 5)
    maps = first_layer_pictures(kernels, (28, 28))
    assert maps is not None
    np.testing.assert_allclose(maps, kernels.weight.detach()[:, 0])
    assert first_layer_pictures(torch.nn.Identity(), (2, 3)) is None
