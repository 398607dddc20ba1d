"""Batches by token count: every pair once an epoch, in another composition each time, never too large."""

from __future__ import annotations

import numpy as np
import pytest

from kqv.errors import Error
from kqv.systems.translation.batches import DrawnBatches, TokenBatches

LENGTHS = np.random.default_rng(7).integers(1, 40, size=(500, 2))


def test_an_epoch_sees_every_pair_once_and_another_one_in_other_batches() -> None:
    batches = TokenBatches(LENGTHS, 256, seed=3)
    epochs = [
        [tuple(batches.pairs(epoch * batches.per_epoch + step)) for step in range(batches.per_epoch)]
        for epoch in range(2)
    ]
    for epoch in epochs:
        assert sorted(pair for batch in epoch for pair in batch) == list(range(len(LENGTHS)))
    assert {frozenset(batch) for batch in epochs[0]} != {frozenset(batch) for batch in epochs[1]}


def test_no_batch_has_more_tokens_than_allowed_and_little_of_it_is_padding() -> None:
    batches = TokenBatches(LENGTHS, 256, seed=3)
    padded = [LENGTHS[batches.pairs(step)].max() * len(batches.pairs(step)) for step in range(batches.per_epoch)]
    assert max(padded) <= 256
    assert batches.per_epoch < 1.5 * LENGTHS.max(1).sum() / 256


@pytest.mark.parametrize("width", [1, 2, 3, 8])
def test_lengths_of_a_batch_differ_by_less_than_a_bucket_is_wide(width: int) -> None:
    batches = TokenBatches(np.stack([np.repeat(np.arange(1, 17), 400)] * 2, 1), 320, seed=3, width=width)
    spans = [np.ptp(batches.lengths[batches.pairs(step)][:, 1]) for step in range(batches.per_epoch)]
    assert sorted(spans)[len(spans) // 2] <= width - 1  # but for batches at a bucket's end
    assert max(spans) >= width - 1
    sizes = [len(batches.pairs(step)) * batches.lengths[batches.pairs(step)].max() for step in range(batches.per_epoch)]
    assert max(sizes) <= 320


def test_a_step_is_a_function_of_seed_and_step_alone() -> None:
    first, second = TokenBatches(LENGTHS, 256, seed=3), TokenBatches(LENGTHS, 256, seed=3)
    last = 2 * first.per_epoch + 5
    for step in range(last):
        first.pairs(step)
    np.testing.assert_array_equal(first.pairs(last), second.pairs(last))
    other = TokenBatches(LENGTHS, 256, seed=4)
    assert not np.array_equal(first.pairs(0), other.pairs(0))


def test_sizes_count_the_targets_tokens() -> None:
    batches = TokenBatches(LENGTHS, 256, seed=3)
    assert sum(batches.size(step) for step in range(batches.per_epoch)) == LENGTHS[:, 1].sum()


def test_a_sentence_longer_than_a_batch_is_refused() -> None:
    with pytest.raises(Error, match="no room for a sentence of 40"):
        TokenBatches(LENGTHS, 30, seed=0)


def drawn(epoch: int) -> np.ndarray:
    """The lengths with more tokens, others in each epoch."""
    return LENGTHS + np.random.default_rng(epoch).integers(0, 12, size=LENGTHS.shape)


def test_drawn_pairs_come_once_an_epoch_in_as_many_batches_of_about_one_size() -> None:
    batches = DrawnBatches(drawn, 256, seed=3)
    for epoch in (0, 1, 5):
        lengths, seen, padded = drawn(epoch), [], []
        for step in range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch):
            pairs = batches.pairs(step)
            seen += pairs.tolist()
            padded.append(lengths[pairs].max() * len(pairs))
            assert batches.size(step) == lengths[pairs, 1].sum()
        assert sorted(seen) == list(range(len(LENGTHS)))
        assert max(padded) <= 256 + 2 * lengths.max()
        assert sum(padded) < 1.1 * lengths.max(1).sum()


def test_drawn_batches_are_a_function_of_seed_and_step_alone() -> None:
    first, second = DrawnBatches(drawn, 256, seed=3), DrawnBatches(drawn, 256, seed=3)
    step = 3 * first.per_epoch + 2
    for other in (0, 5 * first.per_epoch, step - 1):
        first.pairs(other)
    np.testing.assert_array_equal(first.pairs(step), second.pairs(step))


def test_each_of_few_drawn_pairs_has_a_batch() -> None:
    batches = DrawnBatches(lambda epoch: np.array([[9, 9], [30, 30], [31, 8 + epoch]]), 32, seed=0)
    for step in range(4 * batches.per_epoch):
        assert len(batches.pairs(step)) >= 1
