"""The arithmetic of every number of every operation as data, evaluated by the page and by Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from cases import CASES, Case
from evaluating import Asked, assert_page_tells_the_same, chosen_cells, needs_node
from torch import Tensor, nn

from kqv.operations import OPERATIONS, Operation, cross_entropy, max_pooling, softmax
from kqv.trace.opened.answers import Answers
from kqv.trace.trace import Trace

UNKNOWN: dict[str, str] = {}
"""Derivations that cannot be written down as data, and why: none; the list can only shrink."""

BY_OPERATION = {
    operation.name: [case for case in CASES if case.operation is operation] for operation in OPERATIONS.values()
}


class Calls(nn.Module):
    """A module that does nothing but call one operation."""

    def __init__(self, operation: Operation, options: dict[str, Any]) -> None:
        super().__init__()
        self.operation = operation
        self.options = options

    def forward(self, *inputs: Tensor | None) -> Tensor:
        return self.operation(*inputs, **self.options)


def traced(operation: Operation, inputs: list[Tensor | None], options: dict[str, Any]) -> Trace:
    with Trace(Calls(operation, options)) as trace:
        output = operation(*inputs, **options)
        if operation.gradients:
            output.backward(torch.randn(output.shape, generator=torch.Generator().manual_seed(1)))
    return trace


def asked_of(operation: Operation, inputs: list[Tensor | None], **options: Any) -> Asked:
    trace = traced(operation, inputs, options)
    return trace, list(chosen_cells(trace, 6))


@needs_node
@pytest.mark.parametrize("name", BY_OPERATION)
def test_the_page_evaluates_every_operation_as_python_does(name: str, tmp_path: Path) -> None:
    cases = BY_OPERATION[name]
    assert_page_tells_the_same([asked_of(case.operation, case.inputs(), **case.options) for case in cases], tmp_path)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_derivation_is_written_down(case: Case) -> None:
    answers = Answers.of(traced(case.operation, case.inputs(), case.options))
    assert set(answers.unknown) <= set(UNKNOWN), answers.unknown


@needs_node
def test_where_recorded_numbers_decide(tmp_path: Path) -> None:
    """A row of −∞, a target that is certain or ignored, pooled numbers that are equal or NaN."""
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))
    masked = x.masked_fill(torch.tensor([[1], [0], [0]]) > 0, -torch.inf)
    sure = x + torch.tensor([30.0, 0, 0, 0])
    equal, unknown = torch.ones(1, 1, 4, 4), torch.arange(16.0).view(1, 1, 4, 4)
    unknown[0, 0, 1, 0] = unknown[0, 0, 0, 1] = torch.nan
    wanting = [tensor.requires_grad_() for tensor in (masked, sure, equal, unknown)]
    asked = [
        asked_of(softmax, [wanting[0]]),
        asked_of(cross_entropy, [wanting[1], torch.tensor([0, 1, 2])], ignored=2),
        asked_of(cross_entropy, [wanting[1], torch.tensor([2, 2, 2])], ignored=2),
        asked_of(max_pooling, [wanting[2]]),
        asked_of(max_pooling, [wanting[3]]),
    ]
    assert_page_tells_the_same([(trace, list(chosen_cells(trace, 99))) for trace, _ in asked], tmp_path)
