"""Windows of a tensor: what a range means, and that an overview is made of the tensor's own numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kqv.errors import TraceError
from kqv.lab.traces.windows import cut, read_window

DIMENSIONS, SIZES = ("batch", "query", "key"), (2, 5, 7)


def window(text: str = "", blocks: str = "") -> tuple[tuple[int, int], ...]:
    return read_window(text, blocks, "scores", DIMENSIONS, SIZES).ranges


def test_ranges_by_name_and_in_order() -> None:
    assert window("key=2:4, batch=1") == ((1, 2), (0, 5), (2, 4))
    assert window("1, :, 3:") == ((1, 2), (0, 5), (3, 7))
    assert window("query=3:99") == ((0, 2), (3, 5), (0, 7))
    assert window("#2=1:2") == ((0, 2), (0, 5), (1, 2))
    assert window() == ((0, 2), (0, 5), (0, 7))


@pytest.mark.parametrize(
    ("text", "blocks", "message"),
    [
        ("query=5", "", "holds nothing"),
        ("query=4:2", "", "holds nothing"),
        ("row=1", "", "no dimension 'row'; it has: batch, query, key"),
        ("query=-1", "", "expected 3, 3:7 or :"),
        ("query=a", "", "expected 3, 3:7 or :"),
        ("query=", "", "expected 3, 3:7 or :"),
        ("0,1,2,3", "", "has 3 axes"),
        ("#3=1", "", "has 3 axes"),
        ("", "key=0", "whole number from 1 on"),
    ],
)
def test_what_does_not_fit_is_refused(text: str, blocks: str, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        window(text, blocks)


def test_one_answer_is_bounded_unless_blocks_make_it_small() -> None:
    sizes = (3000, 3000)
    with pytest.raises(TraceError, match=r"9,000,000 numbers of w.*window, or for blocks"):
        read_window("", "", "w", ("out", "in"), sizes)
    assert read_window("", "out=10, in=7", "w", ("out", "in"), sizes).sizes == (300, 429)


@pytest.mark.parametrize("block", ["1000000000", "9" * 30, "9" * 5000], ids=len)
def test_a_block_is_no_larger_than_its_axis(block: str) -> None:
    part = read_window("", f"key={block}", "scores", DIMENSIONS, SIZES)
    assert part.blocks == (1, 1, SIZES[-1])
    assert cut(torch.ones(SIZES), part).shape == (*SIZES[:-1], 1)


def test_numbers_of_thousands_of_digits_are_refused_in_a_line() -> None:
    with pytest.raises(TraceError, match="holds nothing"):
        window("9" * 5000)
    with pytest.raises(TraceError, match="names more"):
        window(f"#{'9' * 5000}=1")


def test_a_cut_is_the_tensors_own_numbers() -> None:
    tensor = torch.randn(SIZES, dtype=torch.float64)
    found = cut(tensor, read_window("batch=1, key=2:6", "", "scores", DIMENSIONS, SIZES))
    assert torch.equal(found, tensor[1:2, :, 2:6].float())
    assert cut(torch.tensor(3, dtype=torch.int64), read_window("", "", "cost", (), ())).item() == 3.0


def test_blocks_keep_the_farthest_from_zero_with_its_sign_or_the_mean() -> None:
    torch.manual_seed(0)
    tensor = torch.randn(SIZES)
    part = read_window("batch=0", "query=2, key=3", "scores", DIMENSIONS, SIZES)
    assert part.sizes == (1, 3, 3)
    largest, mean = cut(tensor, part), cut(tensor, part, "mean")
    for row in range(3):
        for column in range(3):
            block = tensor[0, 2 * row : 2 * row + 2, 3 * column : 3 * column + 3].flatten()
            assert largest[0, row, column] == block[block.abs().argmax()]
            if block.numel() == 6:
                np.testing.assert_allclose(mean[0, row, column], block.mean(), rtol=1e-5)


def test_what_is_not_finite_does_not_hide_the_rest() -> None:
    tensor = torch.tensor([[-torch.inf, 2.0, -torch.inf, -torch.inf], [torch.nan, -3.0, 1.0, torch.nan]])
    part = read_window("", "key=2", "scores", ("query", "key"), (2, 4))
    assert cut(tensor, part).tolist() == [[2.0, -torch.inf], [-3.0, 1.0]]
    assert cut(tensor, part, "mean").tolist() == [[2.0, -torch.inf], [-3.0, 1.0]]
