"""Views, slices, splits, joins and copies, followed element by element, forward and backward."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from kqv.operations import multiply
from kqv.recording import note
from kqv.trace.cells import flatten, unflatten
from kqv.trace.trace import Trace

ROWS = torch.tensor([2, 0, 2])
MOVES: dict[str, Callable[[Tensor], Tensor]] = {
    "view": lambda x: x.view(4, 6),
    "reshape a transposed one": lambda x: x.transpose(0, 1).reshape(-1),
    "permute": lambda x: x.permute(2, 0, 1),
    "mT": lambda x: x.mT,
    "slice with steps": lambda x: x[:, ::2, 1:],
    "pick rows by numbers": lambda x: x[:, ROWS],
    "choose by a mask": lambda x: x[x.detach() > 0],
    "expand": lambda x: x[:, :1].expand(2, 5, 4),
    "split": lambda x: x.split([1, 2], dim=1)[1],
    "chunk": lambda x: x.chunk(2, dim=2)[0],
    "unbind": lambda x: x.unbind(0)[1],
    "cat": lambda x: torch.cat([x[1], x[0], x[1]], dim=0),
    "stack": lambda x: torch.stack((x[0], x[1]), dim=-1),
    "repeat": lambda x: x.repeat(1, 2, 1),
    "repeat_interleave": lambda x: x.repeat_interleave(2, dim=1),
    "flip and roll": lambda x: x.flip(0).roll(1, dims=2),
    "gather": lambda x: x.gather(1, torch.tensor([[[0, 2, 1, 1]], [[1, 1, 0, 2]]])),
    "squeeze": lambda x: x.unsqueeze(1).squeeze(1),
    "diagonal": lambda x: x.diagonal(dim1=1, dim2=2),
    "copy to float64 and back": lambda x: x.double().clone().float(),
    "contiguous": lambda x: x.transpose(1, 2).contiguous(),
    "flatten, unflatten": lambda x: x.flatten(1).unflatten(1, (3, 4)),
}


@pytest.mark.parametrize("name", MOVES)
def test_each_element_is_followed_to_its_origin(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4, requires_grad=True)
    with Trace() as trace:
        note("x", x, "in row column")
        moved = MOVES[name](x)
        note("moved", moved, ["", "pixel", "query key", "query key channel", "query key channel hidden"][moved.dim()])
        result = multiply(moved, torch.randn_like(moved))
        result.backward(torch.randn_like(result))
    record = trace["moved"]
    for position in range(record.tensor.numel()):
        explanation = trace.explain(record.cell_at(position))
        (source,) = explanation.sources()
        assert source.name == "x"
        assert explanation.agrees
        assert x[source.index].item() == explanation.value
    assert x.grad is not None
    for position in range(x.numel()):
        explanation = trace.explain(trace["x"].cell_at(position, "backward"))
        assert explanation.agrees
        assert explanation.value == float(x.grad.flatten()[position])


def test_a_gradient_of_several_views_is_their_sum() -> None:
    x = torch.randn(3, requires_grad=True)
    with Trace() as trace:
        note("x", x, "in")
        joined = note("joined", torch.stack([x, x.flip(0)]), "batch in")
        multiply(joined, torch.tensor([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])).backward(torch.ones(2, 3))
    explanation = trace.cell("grad:x[0]")
    assert explanation.value == 31
    assert sorted(part.value for part in explanation.parts) == [1, 30]


def test_a_conversion_that_changes_numbers_is_no_movement() -> None:
    with Trace() as trace:
        x = note("x", torch.tensor([1.7, -2.2]), "in")
        note("whole", x.long(), "in")
        note("bytes", x.view(torch.int32), "in")
    for name in ("whole", "bytes"):
        explanation = trace.cell(f"{name}[0]")
        assert explanation.expression is None
        assert "not known here" in explanation.formula


def test_an_index_that_changed_since_is_noticed() -> None:
    positions = torch.tensor([1, 0])
    with Trace() as trace:
        picked = note("picked", note("x", torch.randn(2), "in")[positions], "out")
        positions[0] = 0
    assert picked.shape == (2,)
    with pytest.raises(Exception, match="changed in place"):
        trace.cell("picked[0]")


@pytest.mark.parametrize("sizes", [(), (4,), (2, 3, 4)])
def test_flat_positions(sizes: tuple[int, ...]) -> None:
    count = int(torch.Size(sizes).numel())
    for position in range(count):
        assert flatten(unflatten(position, sizes), sizes) == position


def test_a_detached_copy_gets_no_gradient() -> None:
    x = torch.randn(2, requires_grad=True)
    with Trace() as trace:
        note("x", x, "in")
        still = note("still", x.detach(), "in")
        result: Any = multiply(x, still)
        result.backward(torch.ones(2))
    assert trace["still"].gradient is None
    explanation = trace.cell("grad:x[1]")
    assert not explanation.parts
    assert explanation.agrees
    assert explanation.value == float(x[1].detach())


def _here() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_a_movement_stands_where_it_happens_and_not_where_it_is_named() -> None:
    lines = {}
    with Trace() as trace:
        x = note("x", torch.randn(2, 6), "batch in")
        lines["turned"], turned = _here(), x.T
        lines["joined"], joined = _here(), torch.cat([x, x], -1)
        lines["first"], first = _here(), x[:, :3]
        lines["heads"], heads = _here(), x.view(2, 3, 2)
        lines["lying"], lying = _here(), heads.permute(1, 0, 2)
        note("turned", turned, "in batch")
        note("joined", joined, "batch hidden")
        note("first", first, "batch out")
        note("heads", heads, "batch head channel")
        note("lying", lying, "head batch channel")
    for name, line in lines.items():
        record = trace[name]
        assert (record.location.line, record.named_at.line > line) == (line, True), name
        assert trace.cell(str(record.cell_at(1))).location == record.location
        assert record.location.file.endswith("test_movements.py")
