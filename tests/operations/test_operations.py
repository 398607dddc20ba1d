"""The harness: every operation, in all shapes of the table, against PyTorch's own function and against itself."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from cases import CASES, MISFITS, PAIRS, Case, Make
from torch import Tensor, nn

from kqv.errors import DimensionError
from kqv.operations import OPERATIONS, Operation
from kqv.trace.records import TensorRecord
from kqv.trace.trace import Trace

TOLERANCE = {torch.float32: (2e-5, 2e-5), torch.float64: (1e-10, 1e-12)}
by_pair = pytest.mark.parametrize(("case", "pair"), PAIRS, ids=[f"{case}-{pair}" for case, pair in PAIRS])
differentiable = [(case, pair) for case, pair in PAIRS if case.operation.gradients]
by_differentiable = pytest.mark.parametrize(
    ("case", "pair"), differentiable, ids=[f"{case}-{pair}" for case, pair in differentiable]
)
by_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


@contextmanager
def computed_by(operation: Operation, pair: str) -> Iterator[None]:
    found = operation.definition if pair == "definition" else operation.kernel
    assert found is not None
    with operation.replaced(found):
        yield


def direction(output: Tensor) -> Tensor:
    """A gradient to send back: one number for each of the output."""
    random = torch.Generator().manual_seed(99)
    return torch.randn(output.shape, generator=random, dtype=torch.float64).to(output.dtype)


def gradients(output: Tensor, inputs: list[Tensor | None]) -> list[Tensor]:
    """The gradients that arrive in the inputs that want one."""
    wanted = [tensor for tensor in inputs if tensor is not None and tensor.requires_grad]
    return list(torch.autograd.grad(output, wanted, direction(output))) if wanted else []


def run(case: Case, inputs: list[Tensor | None]) -> tuple[Tensor, list[Tensor]]:
    output = case.operation(*inputs, **case.options)
    return output, gradients(output, inputs)


def expect(case: Case, inputs: list[Tensor | None]) -> tuple[Tensor, list[Tensor]]:
    """The same by PyTorch alone."""
    given = [tensor for tensor in inputs if tensor is not None]
    output = case.reference(*given, **case.options)
    return output, gradients(output, inputs)


def largest(values: Tensor) -> float:
    """The largest finite size among some numbers."""
    finite = values.detach()[values.isfinite()].abs()
    return float(finite.max()) if finite.numel() else 0.0


def same(found: tuple[Tensor, list[Tensor]], expected: tuple[Tensor, list[Tensor]], dtype: torch.dtype) -> None:
    """Output and gradients agree: shapes, types, and values."""
    relative, absolute = TOLERANCE[dtype]
    for one, other in zip([found[0], *found[1]], [expected[0], *expected[1]], strict=True):
        torch.testing.assert_close(one, other, rtol=relative, atol=absolute * max(1.0, largest(other)))


@by_dtype
@by_pair
def test_forward_and_backward_equal_pytorch(case: Case, pair: str, dtype: torch.dtype) -> None:
    inputs = case.inputs(dtype)
    with computed_by(case.operation, pair):
        same(run(case, inputs), expect(case, inputs), dtype)


@by_pair
def test_without_gradient_the_output_is_the_same(case: Case, pair: str) -> None:
    inputs = case.inputs()
    with computed_by(case.operation, pair):
        expected = case.operation(*inputs, **case.options)
        with torch.no_grad():
            torch.testing.assert_close(case.operation(*inputs, **case.options), expected, rtol=0, atol=0)


@by_dtype
@pytest.mark.parametrize("case", CASES, ids=str)
def test_plain_functions_serve_without_autograd(case: Case, dtype: torch.dtype) -> None:
    inputs = case.inputs(dtype)
    plain = [None if tensor is None else tensor.detach() for tensor in inputs]
    output, saved = case.operation.forward(*plain, **case.options)
    assert not output.requires_grad
    found = case.operation.backward(saved, direction(output)) if case.operation.gradients else ()
    wanted = [name in case.operation.gradients for name in case.operation.inputs]
    arrived = [gradient for gradient, wants in zip(found, wanted, strict=False) if wants and gradient is not None]
    same((output, arrived), expect(case, inputs), dtype)


@by_differentiable
def test_gradcheck(case: Case, pair: str) -> None:
    def finite(*inputs: Tensor) -> Tensor:
        output = case.operation(*inputs, **case.options)
        return output.masked_fill(output == -math.inf, 0.0)  # a difference of −∞ and −∞ tells nothing

    with computed_by(case.operation, pair):
        assert torch.autograd.gradcheck(finite, case.inputs(torch.float64), nondet_tol=1e-12, fast_mode=True)


@by_pair
def test_bfloat16_autocast(case: Case, pair: str) -> None:
    inputs = case.inputs()
    exact = run(case, inputs)
    with computed_by(case.operation, pair), torch.autocast("cpu", dtype=torch.bfloat16):
        output = case.operation(*inputs, **case.options)
        rough = (output, gradients(output, inputs))
    if case.operation.gradients:
        assert output.dtype == (torch.bfloat16 if case.operation.precision == "lower" else torch.float32)
    for found, expected in zip([rough[0], *rough[1]], [exact[0], *exact[1]], strict=True):
        size = max(1e-3, largest(expected))
        torch.testing.assert_close(found.to(expected.dtype), expected, rtol=0.02, atol=0.02 * size)
    assert all(gradient.dtype == torch.float32 for gradient in rough[1])


@by_pair
@pytest.mark.parametrize("size", [1e-4, 1e4])
def test_extreme_inputs(case: Case, pair: str, size: float) -> None:
    given = [None if tensor is None else tensor.detach() for tensor in case.inputs(torch.float64)]
    given = [t.sign() * size if t is not None and t.is_floating_point() else t for t in given]
    wants = [None if tensor is None else tensor.requires_grad for tensor in case.inputs()]

    def inputs(dtype: torch.dtype) -> list[Tensor | None]:
        made = [t.to(dtype) if t is not None and t.is_floating_point() else t for t in given]
        return [None if t is None else t.clone().requires_grad_(bool(w)) for t, w in zip(made, wants, strict=True)]

    exact = expect(case, inputs(torch.float64))
    with computed_by(case.operation, pair):
        found = run(case, inputs(torch.float32))
    for one, other in zip([found[0], *found[1]], [exact[0], *exact[1]], strict=True):
        assert not one.isnan().any()
        assert torch.equal(one.isfinite(), other.isfinite())


@by_differentiable
def test_inputs_and_gradients_in_any_memory_order(case: Case, pair: str) -> None:
    def scattered(tensor: Tensor) -> Tensor:
        spread = torch.stack((tensor, torch.full_like(tensor, 1)), -1)[..., 0]
        return spread.mT.contiguous().mT if spread.dim() > 1 else spread

    inputs = case.inputs()
    odd = [None if t is None else scattered(t.detach()).requires_grad_(t.requires_grad) for t in inputs]
    wanted = [tensor for tensor in odd if tensor is not None and tensor.requires_grad]
    with computed_by(case.operation, pair):
        plain = run(case, inputs)
        output = case.operation(*odd, **case.options)
        back = direction(output)
        found = torch.autograd.grad(output, wanted, scattered(back), retain_graph=True)
        same((output, list(found)), plain, torch.float32)
        one = torch.ones((), dtype=output.dtype)
        repeated = torch.autograd.grad(output, wanted, one.expand(output.shape), retain_graph=True)
        ones = torch.autograd.grad(output, wanted, torch.ones_like(output))
        same((output, list(repeated)), (output, list(ones)), torch.float32)


class Calls(nn.Module):
    """A module that does nothing but call one operation."""

    def __init__(self, operation: Operation, options: dict[str, Any]) -> None:
        super().__init__()
        self.operation = operation
        self.options = options

    def forward(self, *inputs: Tensor | None) -> Tensor:
        return self.operation(*inputs, **self.options)


def traced(case: Case, inputs: list[Tensor | None]) -> tuple[Trace, Tensor]:
    module = Calls(case.operation, case.options)
    with Trace(module) as trace:
        output = module(*inputs)
        if case.operation.gradients:
            output.backward(direction(output))
    return trace, output


def record_of(trace: Trace, tensor: Tensor) -> TensorRecord:
    """The record of a tensor; of a result the numbers alone are kept, and what was made last is found."""
    same = [record for record in trace.tensors if record.tensor is tensor]
    place = tensor.data_ptr(), tuple(tensor.shape)
    return (same or [record for record in trace.tensors if (record.tensor.data_ptr(), record.sizes) == place])[-1]


def cells(trace: Trace, tensor: Tensor, prefix: str) -> list[str]:
    """Some cells of a tensor, drawn at random, the first and the last among them."""
    record = record_of(trace, tensor)
    if tensor.numel() == 0:
        return []
    draw = random.Random(tensor.numel())
    positions = {0, tensor.numel() - 1, *(draw.randrange(tensor.numel()) for _ in range(4))}
    indices = [torch.unravel_index(torch.tensor(position), tensor.shape) for position in sorted(positions)]
    return [prefix + record.name + (f"[{', '.join(str(int(i)) for i in index)}]" if index else "") for index in indices]


@by_pair
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_every_number_is_derived(case: Case, pair: str) -> None:
    inputs = case.inputs()
    with computed_by(case.operation, pair):
        trace, output = traced(case, inputs)
    asked = cells(trace, output, "")
    for tensor in inputs:
        if tensor is not None and tensor.requires_grad:
            asked += cells(trace, tensor, "grad:")
    assert asked or output.numel() == 0
    for cell in asked:
        explanation = trace.cell(cell)
        assert explanation.expression is not None
        assert explanation.agrees, f"{cell}: {explanation.value} but the arithmetic gives {explanation.evaluated}"
        assert explanation.sources() or explanation.value == 0
        assert explanation.rendering()[0]


def test_recorded_gradients_have_the_inputs_own_type() -> None:
    case = next(case for case in CASES if case.operation.name == "linear")
    inputs = case.inputs()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trace, output = traced(case, inputs)
    assert output.dtype == torch.bfloat16
    (call,) = trace.recorder.calls
    for position, tensor in enumerate(inputs):
        assert tensor is not None
        gradient = call.input_gradient(position)
        assert gradient is not None
        assert gradient.dtype == torch.float32
        assert torch.equal(gradient, tensor.grad)


@by_differentiable
def test_second_differentiation_is_refused(case: Case, pair: str) -> None:
    inputs = case.inputs()
    wanted = [tensor for tensor in inputs if tensor is not None and tensor.requires_grad]
    with computed_by(case.operation, pair):
        output = case.operation(*inputs, **case.options)
        with pytest.raises(RuntimeError, match=f"{case.operation.name}.*first derivatives.*create_graph"):
            torch.autograd.grad(output, wanted, direction(output), create_graph=True)


@pytest.mark.parametrize("pair", ["definition", "kernel"])
@pytest.mark.parametrize(
    ("operation", "makes", "options", "word"), MISFITS, ids=[f"{m[0].name}-{m[3]}" for m in MISFITS]
)
def test_sizes_that_do_not_fit(
    operation: Operation, makes: tuple[Make, ...], options: dict[str, Any], word: str, pair: str
) -> None:
    inputs = Case(operation, operation.forward, makes, options, 0).inputs()
    in_place = operation.kernel if pair == "kernel" and operation.kernel else operation.definition
    with operation.replaced(in_place), pytest.raises(DimensionError, match=word) as refused:
        operation(*inputs, **options)
    assert any(str(list(tensor.shape)) in str(refused.value) for tensor in inputs if tensor is not None)


def test_the_table_has_every_operation_in_all_kinds_of_shapes() -> None:
    for operation in OPERATIONS.values():
        sizes = [[t.numel() for t in case.inputs() if t is not None] for case in CASES if case.operation is operation]
        assert any(0 in row for row in sizes), f"{operation.name} has no case with an empty batch"
        assert any(1 in row for row in sizes), f"{operation.name} has no case with one element"
        assert any(min(row) > 1 for row in sizes), f"{operation.name} has no case of ordinary size"


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_every_operation_is_described(operation: Operation) -> None:
    case = next(case for case in CASES if case.operation is operation)
    assert operation.formula
    assert operation.source
    assert set(operation.dimensions) == {*operation.inputs, "output"}
    assert set(operation.gradients) == set(operation.derivatives)
    assert all(operation.gradients.values())
    given = [(name, t) for name, t in zip(operation.inputs, case.inputs(), strict=False) if t is not None]
    real = {name for name, tensor in given if tensor.is_floating_point()}
    optional = set(operation.inputs[len(case.makes) :])
    assert set(operation.gradients) - optional == (set() if operation.name == "argmax" else real)
    assert operation.forward.__doc__ or operation.forward.__module__ == "kqv.operations.operation"


def test_all_operations_are_public() -> None:
    import kqv.operations

    assert set(OPERATIONS) <= set(kqv.operations.__all__)
    assert all(getattr(kqv.operations, name) is operation for name, operation in OPERATIONS.items())
