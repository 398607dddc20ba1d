"""Update rules: the definition is the kernel's, and its arithmetic explains each new weight."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kqv.errors import RunError
from kqv.models.network import Network
from kqv.operations import squared_error
from kqv.tensors import read_tensors, write_tensors
from kqv.trace.trace import Trace
from kqv.training.optimizers import AdamWOptimizer, GradientDescentOptimizer, MuonOptimizer, Optimizer

MAKERS: dict[str, Any] = {
    "gradient descent": lambda named: GradientDescentOptimizer(named, 0.3),
    "with decay": lambda named: GradientDescentOptimizer(named, 0.3, weight_decay=0.1),
    "with momentum": lambda named: GradientDescentOptimizer(named, 0.1, momentum=0.9),
    "with momentum and decay": lambda named: GradientDescentOptimizer(named, 0.1, weight_decay=0.1, momentum=0.5),
    "with L1": lambda named: GradientDescentOptimizer(named, 0.3, l1=0.05),
    "with L1, momentum and decay": lambda named: GradientDescentOptimizer(named, 0.1, 0.1, momentum=0.5, l1=0.05),
    "AdamW": lambda named: AdamWOptimizer(named, 0.01, weight_decay=0.1),
    "AdamW without decay": lambda named: AdamWOptimizer(named, 0.01, weight_decay=0.0, betas=(0.8, 0.95), epsilon=1e-3),
    "Muon": lambda named: MuonOptimizer(named, {"layer.weight": (), "layers.0.weight": ()}, 0.02, 0.02, 0.1),
}
SHARES = (1.0, 0.5, 0.25, 1.0, 0.0, 0.7)


def parameters(dtype: torch.dtype) -> dict[str, nn.Parameter]:
    torch.manual_seed(5)
    return {
        "layer.weight": nn.Parameter(torch.randn(7, 5, dtype=dtype)),
        "layer.bias": nn.Parameter(torch.randn(7, dtype=dtype)),
    }


def give_gradients(named: dict[str, nn.Parameter], step: int) -> None:
    """Gradients of very different sizes, some exactly zero."""
    generator = torch.Generator().manual_seed(step)
    for parameter in named.values():
        gradient = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
        gradient *= 10.0 ** torch.randint(-4, 3, parameter.shape, generator=generator)
        gradient.view(-1)[step] = 0.0
        parameter.grad = gradient.to(parameter.dtype)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-6)], ids=str)
def test_the_definition_is_the_kernel(name: str, dtype: torch.dtype, tolerance: float) -> None:
    """Step after step, each from the definition's own state."""
    named = parameters(dtype)
    optimizer = MAKERS[name](named.items())
    weights = {key: parameter.detach().clone() for key, parameter in named.items()}
    states: dict[str, dict[str, Tensor]] = {key: optimizer.state_of(parameter) for key, parameter in named.items()}
    for step, share in enumerate(SHARES):
        optimizer.set_share(share)
        give_gradients(named, step)
        for key, parameter in named.items():
            assert parameter.grad is not None
            settings = optimizer.settings_of(parameter)
            assert settings["learning_rate"] == optimizer.learning_rate * share
            weights[key], states[key] = optimizer.rule_of(parameter).step(
                weights[key], parameter.grad, states[key], settings
            )
        optimizer.step()
        for key, parameter in named.items():
            torch.testing.assert_close(parameter.detach(), weights[key], rtol=tolerance, atol=tolerance)
            remembered = optimizer.state_of(parameter)
            assert remembered.keys() == states[key].keys()
            for what, tensor in remembered.items():
                torch.testing.assert_close(tensor, states[key][what], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", MAKERS)
def test_the_arithmetic_explains_each_new_weight(name: str) -> None:
    torch.manual_seed(1)
    model = Network([4, 3, 2])
    optimizer: Optimizer = MAKERS[name](model.named_parameters())
    inputs, wanted = torch.randn(5, 4), torch.rand(5, 2)
    for _ in range(2):  # so that there is something to remember
        squared_error(model(inputs), wanted).backward()
        optimizer.step()
        optimizer.zero_grad()
    optimizer.set_share(0.5)
    before = {key: parameter.detach().clone() for key, parameter in model.named_parameters()}
    with Trace(model) as trace:
        squared_error(model(inputs), wanted).backward()
    trace.step(optimizer)
    for key, parameter in model.named_parameters():
        for position in torch.cartesian_prod(*[torch.arange(size) for size in parameter.shape]).reshape(
            -1, parameter.dim()
        ):
            index = tuple(position.tolist())
            found = trace.cell(f"update:{key}[{','.join(map(str, index))}]")
            assert found.value == float(parameter.detach()[index]) != float(before[key][index])
            assert found.evaluated == pytest.approx(found.value, rel=3e-7, abs=1e-8)
            assert found.agrees
            assert found.formula == optimizer.rule_of(parameter).formula


def test_decay_takes_matrices_only() -> None:
    named = parameters(torch.float32)
    optimizer = AdamWOptimizer(named.items(), 0.1, weight_decay=0.5)
    before = {key: parameter.detach().clone() for key, parameter in named.items()}
    for parameter in named.values():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.testing.assert_close(named["layer.weight"].detach(), before["layer.weight"] * (1 - 0.1 * 0.5))
    assert torch.equal(named["layer.bias"].detach(), before["layer.bias"])


@pytest.mark.parametrize(("decay", "momentum"), [(0.0, 0.0), (0.2, 0.0), (0.2, 0.7)])
def test_l1_is_the_textbooks_rule_and_takes_matrices_only(decay: float, momentum: float) -> None:
    """In NumPy: v' = μ·v + ∂C/∂w + λ·w + λ₁·sgn w for matrices, v' = μ·v + ∂C/∂b for biases."""
    named, l1, rate = parameters(torch.float64), 0.4, 0.1
    with torch.no_grad():
        named["layer.weight"][2, 3] = 0.0  # where the sign is 0
    optimizer = GradientDescentOptimizer(named.items(), rate, decay, momentum, l1)
    weight, bias = (named[key].detach().numpy().copy() for key in ("layer.weight", "layer.bias"))
    velocity, bias_velocity = np.zeros_like(weight), np.zeros_like(bias)
    for step in range(4):
        give_gradients(named, step)
        gradient, bias_gradient = (named[key].grad.numpy().copy() for key in ("layer.weight", "layer.bias"))
        velocity = momentum * velocity + gradient + decay * weight + l1 * np.sign(weight)
        bias_velocity = momentum * bias_velocity + bias_gradient
        weight, bias = weight - rate * velocity, bias - rate * bias_velocity
        optimizer.step()
        np.testing.assert_allclose(named["layer.weight"].detach().numpy(), weight, rtol=0, atol=1e-13)
        np.testing.assert_allclose(named["layer.bias"].detach().numpy(), bias, rtol=0, atol=1e-13)
    assert optimizer.settings_of(named["layer.weight"])["l1"] == l1
    assert optimizer.settings_of(named["layer.bias"])["l1"] == 0


def test_l1_is_seen_in_the_arithmetic() -> None:
    torch.manual_seed(1)
    model = Network([4, 3, 2])
    optimizer = GradientDescentOptimizer(model.named_parameters(), 0.3, l1=0.05)
    with Trace(model) as trace:
        squared_error(model(torch.randn(5, 4)), torch.rand(5, 2)).backward()
    before = model.layers[0].weight.detach().clone()
    gradient = model.layers[0].weight.grad.clone()
    trace.step(optimizer)
    for out, position in ((0, 0), (1, 2), (2, 3)):
        found = trace.cell(f"update:layers.0.weight[{out},{position}]")
        w, slope = float(before[out, position]), float(gradient[out, position])
        assert found.evaluated == pytest.approx(w - 0.3 * (slope + 0.05 * math.copysign(1, w)), rel=1e-12)
        assert found.value == float(model.layers[0].weight.detach()[out, position])
        assert found.agrees
        assert "sgn" in found.text(100).split("numbers", 1)[1], "the numbers show the sign"
    assert "sgn" not in trace.cell("update:layers.0.bias[1]").text(100).split("numbers", 1)[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_plain_fast_step_is_pytorchs(dtype: torch.dtype) -> None:
    ours, theirs = parameters(dtype), parameters(dtype)
    optimizer = GradientDescentOptimizer(ours.items(), 0.3)
    reference = torch.optim.SGD(theirs.values(), lr=0.3, foreach=False, fused=False)
    for step, share in enumerate(SHARES):
        optimizer.set_share(share)
        reference.param_groups[0]["lr"] = 0.3 * share
        give_gradients(ours, step)
        give_gradients(theirs, step)
        if step == 2:  # a parameter that the loss did not reach
            ours["layer.bias"].grad = theirs["layer.bias"].grad = None
        optimizer.step()
        reference.step()
        for key, parameter in ours.items():
            assert torch.equal(parameter.detach(), theirs[key].detach()), (key, step)


def test_plain_gradient_descent_remembers_nothing() -> None:
    named = parameters(torch.float32)
    optimizer = GradientDescentOptimizer(named.items(), 0.1)
    give_gradients(named, 0)
    optimizer.step()
    assert optimizer.state() == {}
    assert optimizer.state_of(named["layer.weight"]) == {}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_state_that_was_written_and_read_goes_on_the_same(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    twins = []
    for restored in (False, True):
        named = parameters(dtype)
        optimizer = MAKERS[name](named.items())
        for step in range(6):
            if restored and step == 3:
                write_tensors(tmp_path / "state.safetensors", optimizer.state())
                optimizer = MAKERS[name](named.items())
                optimizer.restore(read_tensors(tmp_path / "state.safetensors")[0])
            give_gradients(named, step)
            optimizer.step()
        twins.append((named, optimizer))
    (one, first), (other, second) = twins
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert first.state().keys() == second.state().keys()
    for key, tensor in first.state().items():
        assert tensor.dtype == second.state()[key].dtype
        assert tensor.device == second.state()[key].device
        assert torch.equal(tensor, second.state()[key])


def test_a_restored_state_is_its_own() -> None:
    named = parameters(torch.float32)
    optimizer = AdamWOptimizer(named.items(), 0.1)
    give_gradients(named, 0)
    optimizer.step()
    state = {key: tensor.clone() for key, tensor in optimizer.state().items()}
    optimizer.restore(state)
    before = {key: tensor.clone() for key, tensor in state.items()}
    give_gradients(named, 1)
    optimizer.step()
    assert all(torch.equal(state[key], before[key]) for key in state)


DAMAGE: dict[str, tuple[Any, str]] = {
    "lacking": (lambda state: state.pop("layer.weight/first_moment"), "lacks layer.weight/first_moment"),
    "other shape": (lambda state: state.update({"layer.bias/first_moment": torch.zeros(3)}), "shape"),
    "other kind": (lambda state: state.update({"layer.bias/step": torch.tensor(1)}), "int64"),
    "no number": (lambda state: state["layer.weight/second_moment"].view(-1)[2].fill_(torch.nan), "infinite or none"),
    "of another model": (lambda state: state.update({"other/step": torch.tensor(1.0)}), "other/step"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_state_is_refused(damage: str) -> None:
    named = parameters(torch.float32)
    optimizer = AdamWOptimizer(named.items(), 0.1)
    give_gradients(named, 0)
    optimizer.step()
    state = {key: tensor.clone() for key, tensor in optimizer.state().items()}
    spoil, message = DAMAGE[damage]
    spoil(state)
    with pytest.raises(RunError, match=message):
        optimizer.restore(state)
