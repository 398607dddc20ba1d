"""Matrices in smaller types: each within the rounding that its type explains, and what that costs a real model."""

from __future__ import annotations

import pytest
import torch
from test_fast_step import CONTEXT, made, said, texts
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from kqv.data.sources import SOURCES, find
from kqv.errors import Error
from kqv.generation.predictor import Cached, Recomputing
from kqv.generation.weights import matrix_of, parts_of, rounded
from kqv.models.families import FAMILIES
from kqv.models.gpt import GPT

SMALLER = ["float16", "bfloat16", "int8"]
FILE = find(SOURCES["smollm2"], SOURCES["smollm2"].files[0])


def bound(weights: str, x: Tensor, weight: Tensor) -> Tensor:
    """How far x·Wᵀ may be off, `[row, out]`, by the rounding of weights, and where a kernel does so of x and sums."""
    size = x.abs() @ weight.abs().T
    if weights == "float32":
        return 1e-6 * size
    if weights == "int8":  # half a step of each weight, and of each number of x
        _, scales = rounded(weight)
        ranges = torch.maximum(x.amax(1), -x.amin(1)) * 2
        return 1.1 * (0.5 * scales * x.abs().sum(1, keepdim=True) + ranges[:, None] / 255 * weight.abs().sum(1))
    return {"float16": 2**-9, "bfloat16": 2**-7}[weights] * size + 2**-8 * size.max() * (weights == "bfloat16")


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("shape", [(5, 7), (64, 24), (24, 96), (257, 33)])
@pytest.mark.parametrize("weights", ["float32", *SMALLER])
def test_a_matrix_is_within_what_rounding_explains(weights: str, shape: tuple[int, int], rows: int) -> None:
    torch.manual_seed(3)
    weight, bias, x = torch.randn(shape), torch.randn(shape[0]), torch.randn(rows, shape[1])
    x *= torch.tensor([0.01, 1, 30])[:rows, None]
    for its_bias in (None, bias):
        found = matrix_of(weights, weight, its_bias)(x)  # type: ignore[arg-type]
        assert found.dtype == torch.float32
        error = (found - linear(x, weight, its_bias)).abs()
        assert bool((error <= bound(weights, x, weight) + (0 if its_bias is None else 0.02)).all())
        assert weights == "float32" or float(error.max()) > 0, "nothing was rounded"


@pytest.mark.parametrize("shape", [(5, 7), (64, 24), (24, 96), (58, 57), (257, 33)])
@pytest.mark.parametrize("threads", [2, 3])
def test_a_matrix_is_divided_among_threads(threads: int, shape: tuple[int, int]) -> None:
    torch.manual_seed(3)
    weight, bias, before = torch.randn(shape), torch.randn(shape[0]), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for rows in (1, 3):
            x = torch.randn(rows, shape[1])
            for its_bias in (None, bias):
                error = (matrix_of("float32", weight, its_bias)(x) - linear(x, weight, its_bias)).abs()
                assert bool((error <= bound("float32", x, weight) + (0 if its_bias is None else 1e-6)).all())
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("rows", "threads", "found"),
    [(576, 1, 1), (576, 2, 2), (49152, 16, 16), (50257, 2, 29), (258, 4, 6), (257, 2, 1), (3, 8, 1), (8, 8, 8)],
)
def test_parts_are_equal_and_few(rows: int, threads: int, found: int) -> None:
    assert parts_of(rows, threads) == found


def test_a_row_of_zeros_stays_zero() -> None:
    weight = torch.zeros(4, 8)
    weight[1] = 1.0
    for weights in SMALLER:
        found = matrix_of(weights, weight, None)(torch.ones(2, 8))  # type: ignore[arg-type]
        assert found[:, 0].tolist() == [0, 0]
        assert found[:, 1].tolist() == pytest.approx([8, 8], rel=0.02)


@pytest.mark.parametrize(("weights", "most"), [("float16", 0.002), ("bfloat16", 0.05), ("int8", 0.1)])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_near_those_of_the_models_own_weights(family: str, weights: str, most: float) -> None:
    model = made(**FAMILIES[family].parts)
    expected = said(Recomputing(model), texts())
    for batch in (1, 3):
        found = said(Cached(model, weights), texts()[:batch])
        for one, other in zip(found, expected, strict=True):
            assert float((one - other[:batch]).norm() / other[:batch].norm()) < most
        last = CONTEXT - 5
        assert not torch.equal(found[last], expected[last][:batch]), "smaller weights are used"


def test_a_weight_too_large_for_float16_is_refused_and_kept_by_bfloat16() -> None:
    weight = torch.ones(4, 8)
    weight[2, 3] = 70_000.0
    with pytest.raises(Error, match=r"float16 holds numbers up to 65,504, and a weight has size 70,000; use bfloat16"):
        matrix_of("float16", weight, None)
    found = matrix_of("bfloat16", weight, None)(torch.ones(1, 8))
    assert found[0, 2].item() == pytest.approx(70_007, rel=0.01)


def test_weights_that_do_not_exist_are_refused_by_name() -> None:
    with pytest.raises(Error, match=r"no weights 'int9'; choose one of: float32, float16, bfloat16, int8"):
        Cached(made(), "int9")


@pytest.mark.skipif(FILE is None, reason="needs the file of the source smollm2 (kqv data fetch smollm2)")
def test_what_smaller_weights_cost_a_real_model() -> None:
    from kqv.systems.gpt.trained import load_gpt_source
    from kqv.systems.source import find_model

    loaded = load_gpt_source(find_model("smollm2", "gpt"))
    text = "When people speak of the weather they seldom mean the weather; they mean that they would like to speak."
    ids = torch.tensor([loaded.tokenizer.encode(text).tolist()])

    def loss(model: GPT, weights: str) -> float:
        """The mean of −log p of each token after the first two, read one at a time."""
        logits = torch.stack(said(Cached(model, weights), ids[:, :-1], prompt=1)[1:], 1)
        return float(cross_entropy(logits[0], ids[0, 2:]))

    with torch.no_grad():
        own = float(cross_entropy(loaded.model(ids)[0, 1:-1], ids[0, 2:]))
    assert loss(loaded.model, "float16") == pytest.approx(own, abs=0.005)
    assert loss(loaded.model, "int8") == pytest.approx(own, abs=0.15)
