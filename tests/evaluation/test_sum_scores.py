"""Scores of an adder: all digits at once give what writing one by one gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from kqv.data.sums import answer_at, held_out
from kqv.evaluation.sums import score_sums
from kqv.generation.generate import complete
from kqv.generation.predictor import Cached
from kqv.generation.sampling import Sampling
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.systems.adder.trained import TOKENIZER


def half_trained() -> GPT:
    """An adder for one digit that is right now and then."""
    torch.manual_seed(1)
    model = GPT(12, Architecture(context=5, width=8, heads=2, blocks=1, positions="periodic", period=2, bias=False))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    ids = torch.from_numpy(held_out(1000, 1, "validation").tokens())
    ids = torch.cat((ids, torch.from_numpy(held_out(1000, 1, "test").tokens())))
    for _ in range(60):
        loss = functional.cross_entropy(model(ids[:, :-1])[:, 3:].flatten(0, 1), ids[:, 4:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def test_a_sum_is_right_exactly_where_the_model_writes_it() -> None:
    model, pairs = half_trained(), held_out(1000, 1, "test")
    scores = score_sums(model, pairs, torch.device("cpu"))
    begin = answer_at(1)
    for row, ids in enumerate(pairs.tokens()):
        wrote = complete(Cached(model), TOKENIZER, ids[:begin], 2, Sampling(temperature=0))[0]
        assert (wrote == TOKENIZER.decode(ids[begin:])) == bool(scores.right[row])
    assert 0 < scores.exact < scores.pairs, "the model was chosen to be right now and then"
    assert scores.exact_match == scores.exact / scores.pairs


def test_the_loss_is_that_of_the_sums_digits() -> None:
    model, pairs = half_trained(), held_out(1000, 1, "test")
    ids = torch.from_numpy(pairs.tokens())
    with torch.no_grad():
        expected = functional.cross_entropy(model(ids[:, :-1])[:, 3:].flatten(0, 1), ids[:, 4:].flatten())
    assert score_sums(model, pairs, torch.device("cpu")).loss == pytest.approx(float(expected), rel=1e-5)


def test_scores_are_parted_by_the_longest_carry_and_told_about() -> None:
    model, pairs = half_trained(), held_out(30, 1, "test")
    told: list[tuple[int, int]] = []
    scores = score_sums(model, pairs, torch.device("cpu"), lambda done, whole: told.append((done, whole)))
    assert told == [(len(pairs), len(pairs))]
    parts = scores.by_chain()
    assert sum(pairs for _, pairs in parts.values()) == scores.pairs
    assert sum(right for right, _ in parts.values()) == scores.exact
    assert list(parts) == np.unique(pairs.chains()).tolist()
