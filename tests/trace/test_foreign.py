"""Modules that are not of this package: named by their submodules, honest about formulas that are not known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kqv.operations import squared_error
from kqv.trace.trace import Trace


@pytest.fixture
def sequence() -> tuple[nn.Sequential, Trace]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True), nn.Linear(3, 2))
    with Trace(model) as trace:
        model(torch.randn(2, 4)).square().mean().backward()
    return model, trace


def test_submodules_give_the_names(sequence: tuple[nn.Sequential, Trace]) -> None:
    trace = sequence[1]
    assert {"input", "0.weight", "0.bias", "0.output", "1.output", "2.output"} <= {r.name for r in trace}
    assert trace["0.output"].origin == "linear"
    assert trace["2.output"].sizes == (2, 2)


def test_values_and_gradients_are_recorded(sequence: tuple[nn.Sequential, Trace]) -> None:
    model, trace = sequence
    for name, parameter in model.named_parameters():
        gradient = trace[name].gradient
        assert gradient is not None
        assert parameter.grad is not None
        assert gradient.equal(parameter.grad)
    for name in ("1.output", "2.output"):
        gradient = trace[name].gradient
        assert gradient is not None
        assert gradient.abs().sum() > 0


def test_a_result_changed_in_position_keeps_its_honesty(sequence: tuple[nn.Sequential, Trace]) -> None:
    trace = sequence[1]
    assert (trace["1.output"].value >= 0).all()
    assert "changed in place since" in trace.table(100)  # 0.output was overwritten by the ReLU


def test_unknown_formulas_are_said_to_be_unknown(sequence: tuple[nn.Sequential, Trace]) -> None:
    trace = sequence[1]
    explanation = trace.cell("2.output[0,1]")
    assert explanation.expression is None
    assert "not known here" in explanation.formula
    assert set(explanation.tensors) == {"1.output", "2.weight", "2.bias"}
    gradient = trace.cell("grad:0.weight[0,0]")
    assert gradient.expression is None
    assert "derivative is not known" in gradient.formula
    assert gradient.value == float(trace["0.weight"].gradient[0, 0])  # type: ignore[index]


def test_the_walk_goes_through_unknown_functions(sequence: tuple[nn.Sequential, Trace]) -> None:
    trace = sequence[1]
    names = {cell.name for cell in trace.walk_back("2.output[0,1]")}
    assert {"1.output", "2.weight", "2.bias", "0.weight", "input"} <= names
    assert trace.path_to_input("2.output[0,1]")[-1].cell.name == "input"


def test_multi_head_attention() -> None:
    model = nn.MultiheadAttention(8, 2, batch_first=True)
    x = torch.randn(1, 3, 8, requires_grad=True)
    with Trace(model) as trace:
        output, weights = model(x, x, x)
        (output.sum() + weights.sum()).backward()
    assert trace["output"].value.equal(output.detach())
    assert trace["output.1"].value.equal(weights.detach())
    assert trace["output"].gradient is not None
    assert trace["in_proj_weight"].gradient.equal(model.in_proj_weight.grad)  # type: ignore[union-attr]
    assert trace["input"].gradient is not None
    assert trace["input"].gradient.equal(x.grad)
    assert not model.in_proj_weight._backward_hooks
    assert not x._backward_hooks


def test_our_operation_behind_a_foreign_model() -> None:
    model = nn.Linear(3, 2)
    with Trace(model) as trace:
        wanted = torch.randn(4, 2)
        squared_error(model(torch.randn(4, 3)), wanted).backward()
    explanation = trace.cell("grad:output[1,1]")
    assert explanation.expression is not None
    assert explanation.agrees
    assert trace.cell("squared_error").agrees


def test_a_sum_of_known_and_unknown_uses_says_which_is_unknown() -> None:
    x = torch.randn(2, 3, requires_grad=True)
    with Trace() as trace:
        loss = squared_error(x, torch.zeros(2, 3)) + x.sin().sum()
        loss.backward()
    name = next(record.name for record in trace if record.tensor is x)
    explanation = trace.cell(f"grad:{name}[1,2]")
    assert len(explanation.parts) == 2
    assert explanation.expression is None
    assert x.grad is not None
    assert explanation.value == float(x.grad[1, 2])
    assert "sin" in explanation.text(80)


def test_a_module_in_a_list_output() -> None:
    lstm = nn.LSTM(3, 4, batch_first=True)
    with Trace(lstm) as trace:
        lstm(torch.randn(1, 5, 3))
    assert trace["output"].sizes == (1, 5, 4)
    assert {"output.1", "output.1.1"} <= {record.name for record in trace}
