"""What happens at the edges: masked rows, overflow, leaks, ties, long sums, ignored and unknown targets."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from cases import PAIRS, Case
from torch import Tensor

from kqv.errors import DimensionError
from kqv.operations import (
    OPERATIONS,
    Pair,
    argmax,
    attention,
    binary_cross_entropy,
    cross_entropy,
    draw_mask,
    dropout,
    embedding,
    linear,
    mask,
    matmul,
    relu,
    rotary,
    scale,
    sigmoid,
    sinusoidal,
    softmax,
    squared_error,
)

INFINITE = float("inf")
pytestmark = pytest.mark.usefixtures("pair")


def written_out(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor) -> Tensor:
    scores = scale(matmul(query, key.mT), factor=1 / math.sqrt(query.shape[-1]))
    return matmul(softmax(mask(scores, allowed)), value)


def in_one(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor) -> Tensor:
    return attention(query, key, value, allowed, causal=False)


def causal(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor) -> Tensor:
    return attention(query, key, value, causal=True)


def triple(*shape: int) -> list[Tensor]:
    torch.manual_seed(5)
    return [torch.randn(*shape, requires_grad=True) for _ in range(3)]


@pytest.mark.parametrize("attend", [written_out, in_one])
def test_a_query_that_sees_nothing_gets_zeros_and_sends_none_back(attend: Callable[..., Tensor]) -> None:
    inputs = triple(2, 3, 5, 4)
    allowed = torch.ones(5, 5, dtype=torch.bool)
    allowed[2] = False
    allowed[:, 4] = False
    output = attend(*inputs, allowed)
    assert torch.equal(output[:, :, 2], torch.zeros(2, 3, 4))
    query, key, value = torch.autograd.grad(output.square().sum(), inputs)
    assert torch.equal(query[:, :, 2], torch.zeros(2, 3, 4))
    assert torch.equal(key[:, :, 4], torch.zeros(2, 3, 4))
    assert torch.equal(value[:, :, 4], torch.zeros(2, 3, 4))
    assert all(gradient.isfinite().all() and gradient.abs().sum() > 0 for gradient in (query, key, value))


def test_where_all_is_masked_nothing_flows() -> None:
    inputs = triple(1, 2, 3, 4)
    output = in_one(*inputs, torch.zeros(3, 3, dtype=torch.bool))
    assert torch.equal(output, torch.zeros_like(output))
    assert all(torch.equal(g, torch.zeros_like(g)) for g in torch.autograd.grad(output.sum(), inputs))


def test_early_queries_without_a_key_get_zeros() -> None:
    query, key, value = triple(1, 2, 5, 4)
    output = attention(query, key[:, :, :2], value[:, :, :2])
    assert torch.equal(output[:, :, :3], torch.zeros(1, 2, 3, 4))
    torch.testing.assert_close(output[:, :, 3], value[:, :, 0])


def test_softmax_of_a_masked_row() -> None:
    x = torch.tensor([[-INFINITE, -INFINITE], [-INFINITE, 3.0]], requires_grad=True)
    y = softmax(x)
    assert torch.equal(y, torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
    (gradient,) = torch.autograd.grad(y, x, torch.tensor([[2.0, -1.0], [2.0, -1.0]]))
    assert torch.equal(gradient, torch.zeros(2, 2))


def test_softmax_hides_no_nan() -> None:
    assert softmax(torch.tensor([[float("nan"), 0.0], [1.0, 1.0]])).isnan().tolist() == [[True, True], [False, False]]
    assert softmax(torch.tensor([[float("nan"), -INFINITE], [-INFINITE, -INFINITE]]))[0].isnan().all()


@pytest.mark.parametrize("attend", [written_out, causal])
def test_no_query_sees_a_later_position(attend: Callable[..., Tensor]) -> None:
    query, key, value = triple(2, 2, 6, 4)
    allowed = torch.ones(6, 6, dtype=torch.bool).tril()
    before = attend(query, key, value, allowed)
    changed_key, changed_value = key.detach().clone(), value.detach().clone()
    changed_key[:, :, 4:] += 3.0
    changed_value[:, :, 4:] -= 7.0
    after = attend(query, changed_key, changed_value, allowed)
    assert torch.equal(before[:, :, :4], after[:, :, :4])
    assert not torch.allclose(before[:, :, 4:], after[:, :, 4:])
    for gradient in torch.autograd.grad(before[:, :, :4].square().sum(), [query, key, value]):
        assert torch.equal(gradient[:, :, 4:], torch.zeros(2, 2, 2, 4))
        assert gradient[:, :, :4].abs().sum() > 0


def test_exp_does_not_overflow() -> None:
    x = torch.tensor([-1e4, -100.0, 0.0, 100.0, 1e4], requires_grad=True)
    y = sigmoid(x)
    assert y.tolist()[::2] == [0.0, 0.5, 1.0]
    assert torch.autograd.grad(y.sum(), x)[0].isfinite().all()
    rows = torch.tensor([[1e4, 0.0], [-1e4, 0.0], [1e4, 1e4]])
    assert softmax(rows).tolist() == [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]
    assert float(cross_entropy(rows, torch.tensor([1, 0, 0]))) == pytest.approx((2e4 + math.log(2)) / 3)


def test_the_first_position_is_position_zero() -> None:
    table = sinusoidal(torch.arange(4), model=6)
    assert table[0].tolist() == [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    assert table[1, 0].item() == pytest.approx(math.sin(1))
    assert table[3, 3].item() == pytest.approx(math.cos(3 / 10000 ** (2 / 6)))
    assert torch.equal(sinusoidal(torch.tensor([2]), model=6)[0], table[2])


def test_far_positions_are_exact() -> None:
    position, model = 1_000_003, 8
    found = sinusoidal(torch.tensor([position]), model=model)[0]
    wanted = [f(position / 10000 ** (2 * i / model)) for i in range(model // 2) for f in (math.sin, math.cos)]
    torch.testing.assert_close(found, torch.tensor(wanted), rtol=0, atol=1e-6)


def test_rotary_makes_scores_of_distances() -> None:
    query, key = torch.randn(1, 8, dtype=torch.float64), torch.randn(1, 8, dtype=torch.float64)

    def score(position: int, other: int) -> Tensor:
        return (rotary(query, torch.tensor([position])) * rotary(key, torch.tensor([other]))).sum()

    torch.testing.assert_close(score(3, 10), score(103, 110))
    assert abs(float(score(3, 10) - score(3, 11))) > 1e-3
    assert torch.equal(rotary(query, torch.tensor([0])), query)


def test_long_sums_keep_their_precision(pair: str) -> None:
    rows = 20_000
    torch.manual_seed(1)
    x, table = torch.rand(rows, 3), torch.zeros(2, 3, requires_grad=True)
    weight, bias = torch.randn(2, 3, requires_grad=True), torch.zeros(2, requires_grad=True)
    back = torch.rand(rows, 2)
    found = torch.autograd.grad(linear(x, weight, bias), [weight, bias], back)
    torch.testing.assert_close(found[0].double(), back.double().T @ x.double(), rtol=1e-5, atol=0)
    torch.testing.assert_close(found[1].double(), back.double().sum(0), rtol=1e-5, atol=0)
    (summed,) = torch.autograd.grad(embedding(table, torch.ones(rows, dtype=torch.int64)), table, x)
    torch.testing.assert_close(summed[1].double(), x.double().sum(0), rtol=1e-4, atol=0)
    a, y = torch.rand(rows, 4), torch.rand(rows, 4)
    exact = (a.double() - y.double()).square().sum() / 2 / rows
    torch.testing.assert_close(squared_error(a, y).double(), exact, rtol=1e-5, atol=0)
    exact = F.binary_cross_entropy_with_logits(a.double(), y.double(), reduction="sum") / rows
    torch.testing.assert_close(binary_cross_entropy(a, y).double(), exact, rtol=1e-5, atol=0)


def test_an_embedding_in_bfloat16_does_not_stop_counting() -> None:
    table = torch.zeros(2, 3, dtype=torch.bfloat16, requires_grad=True)
    (gradient,) = torch.autograd.grad(embedding(table, torch.ones(1000, dtype=torch.int64)).sum(), table)
    assert gradient.tolist() == [[0.0] * 3, [1000.0] * 3]


@pytest.mark.parametrize("unknown", [-1, 5])
def test_unknown_ids_and_targets_are_refused(unknown: int) -> None:
    with pytest.raises((IndexError, RuntimeError), match=r"index.* out of|out of .*range"):
        embedding(torch.zeros(5, 2), torch.tensor([0, unknown]))
    with pytest.raises(RuntimeError, match=r"index .* is out of bounds"):
        cross_entropy(torch.zeros(2, 5), torch.tensor([0, unknown]))


def test_ignored_targets_count_for_nothing() -> None:
    torch.manual_seed(2)
    logits = torch.randn(6, 4, requires_grad=True)
    targets = torch.tensor([0, 9, 3, 9, 9, 1])
    kept = targets != 9
    loss = cross_entropy(logits, targets, ignored=9, smoothing=0.2)
    torch.testing.assert_close(loss, cross_entropy(logits[kept], targets[kept], smoothing=0.2))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert torch.equal(gradient[~kept], torch.zeros(3, 4))
    nothing = cross_entropy(logits, torch.full((6,), 9), ignored=9)
    assert nothing.item() == 0.0
    assert torch.equal(torch.autograd.grad(nothing, logits)[0], torch.zeros(6, 4))


def test_cross_entropy_of_a_model_that_knows_nothing() -> None:
    assert float(cross_entropy(torch.zeros(7, 65), torch.arange(7))) == pytest.approx(math.log(65))


def test_squared_error_is_nielsens() -> None:
    a, y = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 3.0]])
    assert float(squared_error(a, y)) == (1 + 4 + 9) / (2 * 2)
    with pytest.raises(DimensionError, match=r"\[4, 1\].*\[4\]"):
        squared_error.forward(torch.zeros(4, 1), torch.zeros(4))


def test_cross_entropy_wants_one_target_for_each_row() -> None:
    with pytest.raises(DimensionError, match=r"\[6, 5\].*\[4\]"):
        cross_entropy.forward(torch.zeros(6, 5), torch.zeros(4, dtype=torch.int64))


def test_binary_cross_entropy_is_nielsens() -> None:
    z, y = torch.randn(6, 4, dtype=torch.float64), torch.rand(6, 4, dtype=torch.float64)
    a = torch.sigmoid(z)
    expected = -(y * a.log() + (1 - y) * (1 - a).log()).sum() / 6
    torch.testing.assert_close(binary_cross_entropy(z, y), expected)
    with pytest.raises(DimensionError, match=r"\[4, 1\].*\[4\]"):
        binary_cross_entropy.forward(torch.zeros(4, 1), torch.zeros(4))


def test_binary_cross_entropy_of_sure_answers() -> None:
    z = torch.tensor([[200.0, -200.0]], requires_grad=True)
    right, wrong = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert binary_cross_entropy(z, right).item() == 0
    cost = binary_cross_entropy(z, wrong)
    assert cost.item() == 400
    assert torch.autograd.grad(cost, z)[0].tolist() == [[1.0, -1.0]]  # where the quadratic cost's would be 0
    nearly = torch.tensor([[-20.0]])
    assert float(binary_cross_entropy(nearly, torch.zeros(1, 1))) == pytest.approx(math.exp(-20), rel=1e-5)


def test_dropout_keeps_the_mean_and_its_mask_can_be_repeated() -> None:
    x = torch.ones(200, 300)
    torch.manual_seed(3)
    drawn = draw_mask(x, 0.2)
    torch.manual_seed(3)
    assert torch.equal(drawn, draw_mask(x, 0.2))
    assert drawn.dtype == torch.bool
    assert drawn.float().mean().item() == pytest.approx(0.8, abs=0.01)
    assert dropout(x, drawn, probability=0.2).mean().item() == pytest.approx(1.0, abs=0.01)
    assert draw_mask(x, 0.0).all()
    none = draw_mask(x, 1.0)
    assert not none.any()
    assert torch.equal(dropout(x, none, probability=1.0), torch.zeros_like(x))


def test_relu_at_its_corner_and_ties_of_the_largest() -> None:
    x = torch.tensor([-0.0, 0.0, 1.0], requires_grad=True)
    assert torch.autograd.grad(relu(x).sum(), x)[0].tolist() == [0.0, 0.0, 1.0]
    assert argmax(torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])).tolist() == [1, 0]


def test_a_result_without_derivative_wants_none() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    assert not argmax(x).requires_grad
    assert not sinusoidal(torch.arange(3), model=4).requires_grad


def test_bfloat16_stays_under_autocast_where_nothing_else_is_given() -> None:
    x = torch.randn(3, 4).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert relu(x).dtype == torch.bfloat16
        assert rotary(x, torch.arange(3)).dtype == torch.bfloat16
        assert softmax(x).dtype == torch.float32
        assert linear(torch.randn(3, 4), torch.randn(2, 4)).dtype == torch.bfloat16


def test_another_pair_takes_an_operations_position() -> None:
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    doubled = Pair(lambda x: (2 * x, ()), lambda saved, gradient: (5 * gradient,))
    with relu.replaced(doubled):
        y = relu(x)
    assert y.tolist() == [-2.0, 4.0]
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [5.0, 5.0]
    assert relu(x).tolist() == [0.0, 2.0]
    with relu.replaced(Pair(doubled.forward, lambda saved, gradient: (gradient, gradient))):
        y = relu(x)
    with pytest.raises(ValueError, match=r"relu: the backward gave 2 gradients.*x"):
        y.sum().backward()


@pytest.mark.parametrize(("case", "name"), [p for p in PAIRS if p[1] == "kernel"], ids=str)
def test_kernels_keep_little_for_the_backward(case: Case, name: str, pair: str) -> None:
    inputs = [None if tensor is None else tensor.detach() for tensor in case.inputs()]
    output, saved = OPERATIONS[case.operation.name].pair.forward(*inputs, **case.options)
    known = {tensor.data_ptr() for tensor in [*inputs, output] if tensor is not None}
    own = [t.numel() for t in saved if isinstance(t, Tensor) and t.is_floating_point() and t.data_ptr() not in known]
    sizes = [tensor.numel() for tensor in [*inputs, output] if tensor is not None]
    if pair == "kernel" and output.numel():
        assert sum(own) <= max(sizes) + 2 * math.isqrt(max(sizes)) + 2


def test_signatures_are_checked_here() -> None:
    if os.environ.get("KQV_UNTYPED"):
        pytest.skip("KQV_UNTYPED is set")
    with pytest.raises(TypeError, match=r"(?s)Type-check error.*weight"):
        linear.forward(torch.zeros(2, 3), torch.zeros(2, 4))
