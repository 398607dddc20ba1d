"""Scores over a whole set."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from kqv import evaluation
from kqv.errors import DimensionError
from kqv.evaluation import score_pictures
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
    assert scores.places.tolist() == said.tolist()
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
