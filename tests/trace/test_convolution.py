"""A convolutional network's trace: every number forward and backward, and the way back to the pixels it was made of."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kqv.operations import convolution, linear, max_pooling, relu, squared_error
from kqv.recording import note
from kqv.trace.trace import Trace

BATCH, ROWS, COLUMNS, FEATURES, KERNEL, PADDING, CLASSES = 2, 6, 7, 3, 3, 1, 4
POOLED = ROWS // 2, COLUMNS // 2  # the padding keeps the size, the last column is left over


class Features(nn.Module):
    """Features found by small kernels."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(FEATURES, 1, KERNEL, KERNEL))
        self.bias = nn.Parameter(torch.randn(FEATURES))

    def forward(self, x: Tensor) -> Tensor:
        weight = note("weight", self.weight, "out in kernel_row kernel_column")
        z = convolution(note("x", x, "batch in row column"), weight, note("bias", self.bias, "out"), padding=PADDING)
        return note("a", relu(note("z", z, "batch out out_row out_column")), "batch out out_row out_column")


class Pool(nn.Module):
    """The strongest of each window."""

    def forward(self, x: Tensor) -> Tensor:
        return note("strongest", max_pooling(x), "batch in out_row out_column")


class Verdict(nn.Module):
    """A layer over all features."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(CLASSES, FEATURES * POOLED[0] * POOLED[1]))

    def forward(self, x: Tensor) -> Tensor:
        return note("z", linear(x.reshape(len(x), -1), note("weight", self.weight, "out in")), "batch out")


class Small(nn.Module):
    """Convolution, ReLU, pooling, reshape, linear: the form of the textbook's last network."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.pool, self.verdict = Features(), Pool(), Verdict()

    def forward(self, pictures: Tensor) -> Tensor:
        result: Tensor = self.verdict(self.pool(self.features(pictures)))
        return result


@dataclass
class Traced:
    """A trace, its model, and what went in."""

    trace: Trace
    model: Small
    pictures: Tensor
    wanted: Tensor


@pytest.fixture(scope="module")
def traced() -> Traced:
    torch.manual_seed(4)
    model = Small()
    pictures = torch.randn(BATCH, 1, ROWS, COLUMNS, requires_grad=True)
    wanted = torch.randn(BATCH, CLASSES)
    with Trace(model) as trace:
        loss = squared_error(model(pictures), note("wanted", wanted, "batch out"))
        note("loss", loss, "", "C").backward()
    return Traced(trace, model, pictures, wanted)


def test_the_gradients_are_those_of_a_plain_twin(traced: Traced) -> None:
    wanted = [traced.pictures, *traced.model.parameters()]
    pictures, kernels, bias, weight = [tensor.detach().clone().requires_grad_() for tensor in wanted]
    pooled = F.max_pool2d(F.relu(F.conv2d(pictures, kernels, bias, padding=PADDING)), 2)
    cost = F.mse_loss(F.linear(pooled.flatten(1), weight), traced.wanted, reduction="sum") / (2 * BATCH)
    twins = torch.autograd.grad(cost, [pictures, kernels, bias, weight])
    assert float(traced.trace["loss"].value) == pytest.approx(float(cost.detach()), rel=1e-5)
    for tensor, twin in zip(wanted, twins, strict=True):
        assert tensor.grad is not None
        torch.testing.assert_close(tensor.grad, twin, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_every_number_has_its_arithmetic(traced: Traced, phase: str) -> None:
    names = ["features.x", "features.weight", "features.bias", "features.z", "features.a", "pool.strongest"]
    for name in [*names, "verdict.weight", "verdict.z", "loss"]:
        record = traced.trace[name]
        given = phase == "forward" and record.producer is None
        assert len(record.dimensions) == len(record.sizes)
        for position in range(record.tensor.numel()):
            explanation = traced.trace.explain(
                record.cell_at(position, "forward" if phase == "forward" else "backward")
            )
            assert explanation.agrees, explanation.text(100)
            assert given or explanation.expression is not None


def test_a_feature_comes_from_the_pixels_under_its_kernel(traced: Traced) -> None:
    explanation = traced.trace.cell("features.z[1, 2, 0, 3]")
    names = [(source.name, source.index) for source in explanation.sources()]
    pixels = {index for name, index in names if name == "features.x"}
    assert pixels == {(1, 0, row, column) for row in (0, 1) for column in (2, 3, 4)}  # the row above is padding
    kernel = {index for name, index in names if name == "features.weight"}
    assert kernel == {(2, 0, row, column) for row in (1, 2) for column in (0, 1, 2)}
    assert ("features.bias", (2,)) in names


def test_a_pooled_number_walks_back_to_its_own_pixels(traced: Traced) -> None:
    cells = list(traced.trace.walk_back("pool.strongest[0, 1, 1, 2]"))
    pixels = {cell.index for cell in cells if cell.name == "features.x"}
    assert pixels == {(0, 0, row, column) for row in range(1, 5) for column in range(3, 7)}
    assert {cell.index for cell in cells if cell.name == "features.a"} == {
        (0, 1, row, column) for row in (2, 3) for column in (4, 5)
    }


def test_the_verdict_walks_back_to_a_pixel(traced: Traced) -> None:
    for position in range(BATCH * CLASSES):
        path = traced.trace.path_to_input(str(traced.trace["verdict.z"].cell_at(position)))
        names = [step.cell.name for step in path]
        assert names == ["verdict.z", "pool.strongest", "features.a", "features.z", "features.x"]
        assert path[-1].cell.index[0] == position // CLASSES


def test_a_gradient_goes_to_the_largest_of_its_window_alone(traced: Traced) -> None:
    a, strongest = traced.trace["features.a"], traced.trace["pool.strongest"]
    assert a.gradient is not None
    assert strongest.gradient is not None
    for batch, out, row, column in torch.cartesian_prod(*map(torch.arange, strongest.sizes)).tolist():
        window = a.value[batch, out, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten()
        arrived = a.gradient[batch, out, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten()
        expected = torch.zeros(4)
        expected[int(window.argmax())] = strongest.gradient[batch, out, row, column]
        assert torch.equal(arrived, expected)
    assert torch.equal(a.gradient[..., -1], torch.zeros(BATCH, FEATURES, ROWS))  # the column that was left over


@pytest.mark.parametrize("cell", ["features.weight[1, 0, 2, 0]", "features.bias[0]", "features.x[1, 0, 3, 3]"])
def test_gradients_walk_back_to_the_loss(traced: Traced, cell: str) -> None:
    path = traced.trace.path_to_input(f"grad:{cell}")
    names = ["features.z", "features.a", "pool.strongest", "verdict.z", "loss"]
    assert [str(step.cell).split("[")[0] for step in path[1:]] == [f"grad:{name}" for name in names]
    assert path[-1].value == 1
