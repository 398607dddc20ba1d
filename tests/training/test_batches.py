"""Which examples a step sees."""

from __future__ import annotations

import pytest
import torch

from kqv.systems.digits.task import shifted
from kqv.training.batches import Batches, seed_of
from kqv.training.distributed import Group


@pytest.mark.parametrize(("examples", "batch"), [(90, 20), (7, 7), (5, 8), (1, 1), (12, 5)])
def test_each_epoch_sees_each_example_once(examples: int, batch: int) -> None:
    batches = Batches(examples, batch, seed=3)
    for epoch in range(3):
        steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
        seen = torch.cat([batches.positions(step) for step in steps])
        assert sorted(seen.tolist()) == list(range(examples))
        assert [len(batches.positions(step)) for step in steps] == [batches.size(step) for step in steps]


def test_a_step_sees_the_same_wherever_one_starts() -> None:
    forward = [Batches(90, 20, seed=3).positions(step).tolist() for step in range(12)]
    batches = Batches(90, 20, seed=3)
    assert [batches.positions(step).tolist() for step in reversed(range(12))] == forward[::-1]


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = [tuple(Batches(90, 90, seed).positions(epoch).tolist()) for seed in range(4) for epoch in range(4)]
    assert len(set(orders)) == len(orders)


def test_seeds_for_other_purposes_are_others() -> None:
    seeds = [seed_of(seed, name, step) for seed in (0, 1, 11) for name in ("order", "shift") for step in (0, 1, 11)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_the_parts_of_all_processes_are_the_batch_and_their_weighted_means_its_mean(size: int) -> None:
    for examples in (1, 2, 5, 20, 97):
        values = torch.randn(examples, dtype=torch.float64)
        seen, mean = [], 0.0
        for rank in range(size):
            part, weight = Group(rank, size).part(examples)
            assert len(values[part]) > 0, "no process may be without an example: there is no mean of none"
            mean += weight * float(values[part].mean()) / size
            seen += values[part].tolist() if weight else []
        assert sorted(seen) == sorted(values.tolist())
        assert mean == pytest.approx(float(values.mean()))


def test_shifts_move_pictures_and_fill_with_empty_pixels() -> None:
    picture = torch.arange(1.0, 13.0).reshape(1, 3, 4)
    for down in range(5):
        for right in range(5):
            moved = shifted(picture.reshape(1, 12), (3, 4), 2, torch.tensor([[down], [right]])).reshape(3, 4)
            for row in range(3):
                for column in range(4):
                    before = row + down - 2, column + right - 2
                    inside = 0 <= before[0] < 3 and 0 <= before[1] < 4
                    assert moved[row, column] == (picture[0, before[0], before[1]] if inside else 0)
