"""The angles that blocks share are those of the positions as they are now."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from kqv.operations import rotary


def expected(x: Tensor, positions: Tensor) -> Tensor:
    with rotary.replaced(rotary.definition):
        return rotary(x, positions.clone())


def test_positions_that_were_changed_in_place_have_new_angles() -> None:
    x, numbers = torch.randn(1, 2, 5, 8), np.arange(5)
    positions = torch.from_numpy(numbers)
    torch.testing.assert_close(rotary(x, positions), expected(x, positions))
    positions += 3
    torch.testing.assert_close(rotary(x, positions), expected(x, positions))
    positions.data.mul_(2)  # PyTorch counts no version here
    torch.testing.assert_close(rotary(x, positions), expected(x, positions))
    numbers[:] = 7  # nor here
    torch.testing.assert_close(rotary(x, positions), expected(x, positions))


@pytest.mark.parametrize("change", [lambda p: p.to(torch.int32), lambda p: p[:4], lambda p: p + 1])
def test_other_positions_one_after_the_other(change: object) -> None:
    positions = torch.arange(5)
    for asked in (positions, change(positions), positions):  # type: ignore[operator]
        x = torch.randn(1, 2, len(asked), 8)
        torch.testing.assert_close(rotary(x, asked), expected(x, asked))
        assert not torch.equal(rotary(x, asked, base=50.0), rotary(x, asked)), "the base is asked for too"


def test_gradients_go_back_by_the_angles_of_their_forward() -> None:
    x, positions = torch.randn(1, 2, 5, 8, requires_grad=True), torch.arange(5)
    turned = rotary(x, positions)
    positions.data.add_(2)
    rotary(x.detach(), positions)
    turned.backward(turned.detach())
    assert x.grad is not None
    torch.testing.assert_close(x.grad, x.detach())
