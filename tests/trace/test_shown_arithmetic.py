"""The arithmetic that is shown, taken as it is printed: its numbers give its result, digit by digit."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from as_printed import as_printed, unit
from small_gpt import make_gpt, trace_gpt

from kqv.arithmetic import Array, Elements, Rendering
from kqv.errors import TraceError
from kqv.models.network import Network
from kqv.operations import cross_entropy
from kqv.recording import note
from kqv.systems.digits.traced import trace_pictures
from kqv.trace.explanation import Arithmetic
from kqv.trace.trace import Trace
from kqv.trace.views.text import intermediate
from kqv.training.optimizers import AdamWOptimizer, MuonOptimizer


def assert_shown_right(part: Arithmetic, cell: str) -> None:
    if part.expression is None:
        return
    numbers, rendering = part.rendering()
    exact = part.evaluated
    assert exact is not None
    if math.isfinite(exact):
        found = as_printed(numbers)
        assert abs(found - exact) <= 0.5001 * unit(f"{exact:.6g}") or exact == 0, f"{cell}: {numbers} is {found}"
    for symbol, line in intermediate(rendering):
        arithmetic, _, result = re.sub(r" \(and \d+ like it\)$", "", line).rpartition(" = ")
        assert abs(as_printed(arithmetic) - as_printed(result)) <= 1.001 * unit(result), f"{cell}: {symbol} = {line}"


def cells(trace: Trace) -> Iterator[str]:
    """Of each tensor in each phase the largest number and one in the middle."""
    for record in trace.tensors:
        if not record.tensor.numel() or record.readable_value is None:
            continue
        middle = record.tensor.numel() // 2
        largest = int(record.value.float().nan_to_num(0, 0, 0).abs().argmax())
        for position in {middle, largest}:
            yield str(record.cell_at(position))
            if record.readable_gradient is not None:
                yield str(record.cell_at(position, "backward"))
            if record.name in trace.updates:
                yield str(record.cell_at(position, "update"))


def assert_all_shown_right(trace: Trace) -> None:
    seen = 0
    for text in cells(trace):
        try:
            explanation = trace.cell(text)
        except TraceError:
            continue
        for part in explanation.parts or [explanation]:
            assert_shown_right(part, text)
            seen += part.expression is not None
    assert seen > 20


def test_a_reader_with_a_calculator_gets_a_gpts_numbers() -> None:
    assert_all_shown_right(trace_gpt(step=True).trace)


@pytest.mark.parametrize("muon", [False, True])
def test_a_reader_with_a_calculator_gets_a_clipped_step(muon: bool) -> None:
    model = make_gpt(bias=False) if muon else make_gpt()
    named = list(model.named_parameters())
    widen = {"blocks.0.feed_forward.widen.weight": ()}
    optimizer = MuonOptimizer(named, widen, 0.02, 0.01, 0.1) if muon else AdamWOptimizer(named, 0.01, 0.1)
    optimizer.clip = 0.1
    optimizer.set_share(0.3)
    with Trace(model) as trace:
        model.loss(model(torch.tensor([[1, 2, 3]])), torch.tensor([[2, 3, 4]])).backward()
        trace.step(optimizer)
    assert_all_shown_right(trace)


def test_a_reader_with_a_calculator_gets_a_sure_networks_numbers() -> None:
    """A network that is all but certain: the largest logit is 14 above the others."""
    torch.manual_seed(2)
    model = Network([64, 12, 10], "relu", "cross-entropy")
    with torch.no_grad():
        model.layers[1].weight.mul_(8)
    pictures = torch.randint(0, 256, (1, 8, 8), dtype=torch.uint8)
    label = model.probabilities(model(model.vector(pictures))).argmax(-1)
    assert_all_shown_right(trace_pictures(model, pictures, label))


def test_numbers_get_more_digits_only_where_it_takes_them() -> None:
    class Table:
        shape = (2,)

        def label(self, index: tuple[int, ...]) -> str:
            return f"x{list(index)}"

        def read(self, axes: Sequence[Array]) -> Array:
            return np.array([14.1113119125366, 14.1113059520721])[axes[0]]

    def element(position: int) -> Elements:
        return Elements(Table(), (np.array(position),), ())

    assert Rendering().text_of(element(0) * 0.5) == "14.11131·0.5"
    assert Rendering().text_of(element(0) - element(1)) == "14.111311912537 − 14.111305952072"


def test_the_cost_of_a_sure_network_is_no_difference_of_near_equals() -> None:
    with Trace() as trace:
        logits = note("logits", torch.tensor([[14.1113, -1.3, 0.8, 1.4]], requires_grad=True), "batch class")
        note("cost", cross_entropy(logits, torch.tensor([0])), "").backward()
    explanation = trace.cell("cost")
    numbers, _ = explanation.rendering()
    assert numbers.startswith("log1p(4.8")
    assert explanation.tolerance < 1e-3 * explanation.value
    assert explanation.agrees
    assert trace.cell("grad:logits[0,0]").tolerance < 1e-3 * explanation.value
