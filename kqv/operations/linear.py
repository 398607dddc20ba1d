"""Linear map: each output is a weighted sum of the inputs, plus a bias."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, Sum
from kqv.operations.operation import Call, Operation, Pair, Saved
from kqv.operations.products import over_rows, times_transposed


def forward(
    x: Float[Tensor, "*rows in"], weight: Float[Tensor, "out in"], bias: Float[Tensor, " out"] | None = None
) -> tuple[Float[Tensor, "*rows out"], Saved]:
    """z = x·Wᵀ + b for each row of x; weight is W, bias is b."""
    z = x @ weight.T
    return (z if bias is None else z + bias), (x, weight, bias is not None)


def backward(saved: Saved, gradient: Float[Tensor, "*rows out"]) -> tuple[Tensor | None, ...]:
    """∂C/∂x = ∂C/∂z·W, ∂C/∂W = Σ_rows ∂C/∂zᵀ·x, ∂C/∂b = Σ_rows ∂C/∂z."""
    x, weight, has_bias = saved
    rows = gradient.reshape(-1, gradient.shape[-1])
    return gradient @ weight, rows.T @ x.reshape(-1, x.shape[-1]), rows.sum(0) if has_bias else None


def kernel_forward(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Saved]:
    return times_transposed(x, weight, bias), (x, weight, bias is not None)


def kernel_backward(saved: Saved, gradient: Tensor, needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    x, weight, has_bias = saved
    rows = gradient.reshape(-1, gradient.shape[-1])
    return (
        times_transposed(gradient, weight.T) if needed[0] else None,
        over_rows(rows, x.reshape(-1, x.shape[-1])) if needed[1] else None,
        rows.sum(0) if has_bias and needed[2] else None,
    )


def derive(call: Call, index: Index) -> Expression:
    *row, out = index
    total = Sum(call.x[*row, :] * call.weight[out, :])
    return total + call.bias[out] if call.given("bias") else total


def derive_x(call: Call, index: Index) -> Expression:
    *row, position = index
    return Sum(call.gradient[*row, :] * call.weight[:, position])


def derive_weight(call: Call, index: Index) -> Expression:
    out, position = index
    return Sum(call.gradient[..., out] * call.x[..., position])


def derive_bias(call: Call, index: Index) -> Expression:
    return Sum(call.gradient[..., index[0]])


linear = Operation(
    name="linear",
    formula="z[out] = Σ_in x[in]·W[out,in] + b[out]",
    gradients={
        "x": "∂C/∂x[in] = Σ_out ∂C/∂z[out]·W[out,in]",
        "weight": "∂C/∂W[out,in] = Σ_batch ∂C/∂z[batch,out]·x[batch,in]",
        "bias": "∂C/∂b[out] = Σ_batch ∂C/∂z[batch,out]",
    },
    dimensions={"x": "... in", "weight": "out in", "bias": "out", "output": "... out"},
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward, selective=True),
    derive=derive,
    derivatives={"x": derive_x, "weight": derive_weight, "bias": derive_bias},
    source="Nielsen, Neural Networks and Deep Learning, ch. 2, (BP1)-(BP4): z = w a + b",
    precision="lower",
)
