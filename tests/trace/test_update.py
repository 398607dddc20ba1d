"""The third phase: the optimizer's step, with the weights before and after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_gpt import Momentum, Traced, make_gpt, trace_gpt

from kqv.errors import TraceError
from kqv.operations import linear
from kqv.recording import note
from kqv.trace.location import Location
from kqv.trace.trace import Trace
from kqv.training.optimizers import AdamWOptimizer, GradientDescentOptimizer, MuonOptimizer

PACKAGE = Path(__file__).parent.parent.parent


def test_records_keep_the_weights_from_before(traced: Traced) -> None:
    for name, before in traced.before.items():
        assert traced.trace[name].value.equal(before)
        update = traced.trace.updates[name]
        assert update.before.equal(before)
        assert update.after.equal(dict(traced.model.named_parameters())[name].detach())
        assert not update.after.equal(before)
        assert update.gradient.equal(traced.gradients[name])


def test_an_update_is_explained_with_its_numbers(traced: Traced) -> None:
    name = "blocks.0.attention.projection.weight"
    explanation = traced.trace.cell(f"update:{name}[4,2]")
    before, gradient = traced.before[name][4, 2], traced.gradients[name][4, 2]
    assert explanation.value == float(dict(traced.model.named_parameters())[name][4, 2].detach())
    assert explanation.evaluated == pytest.approx(float(before) - 0.1 * (0.9 * 0.01 + float(gradient)), rel=1e-6)
    assert explanation.agrees
    assert explanation.formula.startswith("w' = w − η·v'")
    assert "v' = " in explanation.text(100)


def test_what_the_optimizer_remembers_can_be_asked(traced: Traced) -> None:
    explanation = traced.trace.cell("update:norm.weight.velocity[model=3]")
    assert explanation.value == pytest.approx(0.01)
    assert "remembered" in explanation.formula
    assert traced.trace.cell("update:norm.weight.gradient[3]").value == float(traced.gradients["norm.weight"][3])


def test_a_step_after_the_trace() -> None:
    found = trace_gpt(step=False)
    with pytest.raises(TraceError, match="no optimizer's step"):
        found.trace.cell("update:norm.weight[0]")
    found.trace.step(Momentum(list(found.model.parameters())))
    assert found.trace.cell("update:norm.weight[0]").agrees
    assert found.trace.cell("blocks.1.attention.scores[0,1,3,2]").agrees
    assert found.trace.cell("grad:normed[0,1,3]").agrees
    assert found.trace["norm.weight"].value.equal(found.before["norm.weight"])


MAKERS: dict[str, Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]] = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "Adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    "AdamW fused": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, fused=True),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_pytorchs_own_optimizers_are_recorded_without_formula(
    make: Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer],
) -> None:
    found = trace_gpt(step=False)
    optimizer = make(list(found.model.parameters()))
    found.trace.step(optimizer)
    explanation = found.trace.cell("update:norm.bias[1]")
    assert explanation.expression is None
    assert "not known here" in explanation.formula
    update = found.trace.updates["norm.bias"]
    assert update.settings["lr"] == optimizer.param_groups[0]["lr"]
    assert update.after.equal(found.model.norm.bias.detach())
    assert update.before.equal(found.before["norm.bias"])
    assert found.trace.cell("logits[0,0,0]").agrees


def test_a_clipped_gradient_is_told_apart() -> None:
    model = make_gpt()
    with Trace(model) as trace:
        model(torch.tensor([[1, 2, 3]])).square().sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        trace.step(Momentum(list(model.parameters())))
    explanation = trace.cell("update:norm.weight[0]")
    assert explanation.agrees
    assert "update:norm.weight.gradient[model=0]" in {str(cell) for cell in explanation.sources()}
    used = trace.cell("update:norm.weight.gradient[0]")
    assert "clipped" in used.formula
    assert abs(used.value) < abs(trace.cell("grad:norm.weight[0]").value)


def test_two_steps_in_one_trace() -> None:
    weight = torch.nn.Parameter(torch.randn(2, 3))
    x = torch.randn(4, 3)
    model = torch.nn.ParameterDict({"weight": weight})
    optimizer = Momentum([weight])
    with Trace(model) as trace:
        for _ in range(2):
            optimizer_gradient_free(weight)
            z = note("z", linear(note("x", x, "batch in"), note("weight", weight, "out in")), "batch out")
            z.square().sum().backward()
            trace.step(optimizer)
    assert trace["weight#2"].value.equal(trace.updates["weight"].after)
    assert trace.updates["weight#2"].after.equal(weight.detach())
    for cell in ("z[1,1]", "z#2[1,1]", "grad:weight[0,1]", "grad:weight#2[0,1]", "update:weight#2[1,2]"):
        assert trace.cell(cell).agrees, cell
    back = {cell.name for cell in trace.walk_back("z#2[1,1]")}
    assert {"weight#2", "weight", "x", "weight.velocity"} <= back  # through the first step's arithmetic


def optimizer_gradient_free(weight: torch.nn.Parameter) -> None:
    weight.grad = None


def test_views_of_a_weight_keep_their_numbers() -> None:
    weight = torch.nn.Parameter(torch.randn(3, 2))
    with Trace(torch.nn.ParameterDict({"weight": weight})) as trace:
        turned = note("turned", weight.T, "out in")
        note("z", linear(torch.randn(1, 3), turned), "batch out").sum().backward()
        before = turned.detach().clone()
        trace.step(Momentum([weight]))
    assert trace["turned"].value.equal(before)
    assert trace.cell("z[0,1]").agrees
    assert trace.cell("turned[1,2]").agrees


def test_without_gradients_there_is_no_step() -> None:
    model = make_gpt()
    with Trace(model) as trace:
        model(torch.tensor([[1]]))
    with pytest.raises(TraceError, match="backward"):
        trace.step(Momentum(list(model.parameters())))


def test_a_parameter_without_gradient_is_left_out() -> None:
    model = make_gpt()
    model.norm.bias.requires_grad_(False)
    with Trace(model) as trace:
        model(torch.tensor([[1, 2]])).square().sum().backward()
        trace.step(Momentum(list(model.parameters())))
    with pytest.raises(TraceError, match=r"no update of norm\.bias"):
        trace.cell("update:norm.bias[0]")


def test_an_optimizer_behind_the_traces_back_is_noticed() -> None:
    model = make_gpt()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Trace(model) as trace:
        model(torch.tensor([[1, 2]])).square().sum().backward()
    optimizer.step()
    with pytest.raises(TraceError, match=r"trace\.step\(optimizer\)"):
        trace.cell("logits[0,0,0]").text()


def _line(location: Location) -> str:
    lines = (PACKAGE / location.file).read_text(encoding="utf-8").splitlines()
    return lines[location.line - 1].strip()


@pytest.mark.parametrize("kind", ["adamw", "gradient_descent", "muon"])
def test_an_update_stands_at_its_rule(kind: str) -> None:
    model = make_gpt()
    named = list(model.named_parameters())
    optimizer = {
        "adamw": lambda: AdamWOptimizer(named, 0.1),
        "gradient_descent": lambda: GradientDescentOptimizer(named, 0.1),
        "muon": lambda: MuonOptimizer(named, {"blocks.0.feed_forward.widen.weight": ()}, 0.1, 0.1),
    }[kind]()
    with Trace(model) as trace:
        model(torch.tensor([[1, 2]])).square().sum().backward()
        trace.step(optimizer)
    location = trace.cell("update:blocks.0.feed_forward.widen.weight[1,1]").location
    assert location.file == f"kqv/training/optimizers/{kind}.py"
    assert _line(location).startswith("def step(")
    assert "blocks.0.feed_forward.widen.weight" in trace.updates
