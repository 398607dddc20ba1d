"""Muon: orthogonal steps for hidden matrices, AdamW for the rest, and every number of it explained."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.models.network import Network
from kqv.trace.trace import Trace
from kqv.training.optimizers import MuonOptimizer
from kqv.training.optimizers.matrices import hidden_matrices
from kqv.training.optimizers.muon import orthogonalised
from kqv.training.optimizers.newton_schulz import Stack
from kqv.training.plans import TrainingPlan

SHAPES = [(6, 6), (6, 9), (9, 6), (5, 20), (20, 5)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_singular_values_come_near_one_and_directions_stay(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    matrix = torch.randn(shape, dtype=torch.float64)
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    turned = u.T @ orthogonalised(matrix) @ vt.T
    torch.testing.assert_close(turned, torch.diag(turned.diagonal()), rtol=0, atol=1e-9)
    assert 0.68 < float(turned.diagonal().min()) <= float(turned.diagonal().max()) < 1.21


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)], ids=str)
@pytest.mark.parametrize("watched", [False, True])
def test_a_stack_is_its_matrices_one_by_one(
    shape: tuple[int, int], dtype: torch.dtype, tolerance: float, watched: bool
) -> None:
    torch.manual_seed(2)
    matrices = torch.randn(3, *shape, dtype=dtype)
    matrices[1, :, 1:] = 0  # of rank one
    stack = Stack(3, *shape, like=matrices)
    stack.given.copy_(matrices)
    seen: list[int] = []
    stack.orthogonalise((lambda number, *_: seen.append(number)) if watched else None)
    for matrix, result in zip(matrices, stack.result, strict=True):
        torch.testing.assert_close(result, orthogonalised(matrix), rtol=tolerance, atol=tolerance)
    assert seen == ([1, 2, 3, 4, 5] if watched else [])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_it_is_pytorchs_within_bfloat16(precision: str) -> None:
    """PyTorch orthogonalises in bfloat16, so steps agree to about two digits."""
    torch.manual_seed(3)
    start = torch.randn(16, 8)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    mine = MuonOptimizer([("w", ours)], {"w": ()}, 0.1, 0.1, weight_decay=0.2, precision=precision)
    reference = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.2, momentum=0.95)
    for _ in range(4):
        gradient = torch.randn(16, 8)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        before = ours.detach().clone()
        mine.step()
        reference.step()
        assert float((ours - theirs).detach().norm()) < 0.05 * float((ours - before).detach().norm())
        with torch.no_grad():
            theirs.copy_(ours)
    assert {stack.result.dtype for stack, _ in mine._stacks} == {getattr(torch, precision)}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-5)], ids=str)
def test_parts_are_orthogonalised_each_for_itself(dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(4)
    joined = nn.Parameter(torch.randn(16, 8, dtype=dtype))
    apart = {
        name: nn.Parameter(part.clone()) for name, part in zip("qkv", joined.detach().split([8, 4, 4]), strict=True)
    }
    together = MuonOptimizer([("joined", joined)], {"joined": (8, 4, 4)}, 0.1, 0.1, 0.3)
    separate = MuonOptimizer(apart.items(), dict.fromkeys("qkv", ()), 0.1, 0.1, 0.3)
    for _ in range(3):
        joined.grad = torch.randn_like(joined)
        for parameter, part in zip(apart.values(), joined.grad.split([8, 4, 4]), strict=True):
            parameter.grad = part.clone()
        together.step()
        separate.step()
    torch.testing.assert_close(joined.detach(), torch.cat([p.detach() for p in apart.values()]), rtol=0, atol=tolerance)


def test_a_matrix_without_gradient_is_left_alone() -> None:
    one, other = nn.Parameter(torch.randn(4, 4)), nn.Parameter(torch.randn(4, 4))
    optimizer = MuonOptimizer([("one", one), ("other", other)], {"one": (), "other": ()}, 0.1, 0.1, 0.1)
    for given in ([one, other], [one], [one, other]):
        before = other.detach().clone()
        optimizer.zero_grad()
        for parameter in given:
            parameter.grad = torch.randn(4, 4)
        optimizer.step()
        assert torch.equal(other.detach(), before) == (other not in set(given))


def test_it_takes_the_hidden_matrices() -> None:
    found = hidden_matrices(GPT(11, Architecture(8, 16, 2, 1)))
    assert {name.rpartition(".")[0].rpartition(".")[2] for name in found} == {
        "query_key_value", "projection", "widen", "narrow",
    }  # fmt: skip
    untied = GPT(11, Architecture(8, 16, 2, 1, tied=False))
    assert list(hidden_matrices(untied)) == list(found), "the head is none of them"
    assert list(hidden_matrices(Network([4, 3, 2]))) == ["layers.0.weight"]


def traced(model: GPT, parts: dict[str, tuple[int, ...]]) -> Trace:
    """A pass and a step of Muon, after two others."""
    optimizer = MuonOptimizer(model.named_parameters(), parts, 0.02, 0.01, 0.1)
    ids = torch.randint(11, (3, 8))
    for _ in range(2):
        model.loss(model(ids), ids).backward()
        optimizer.step()
        optimizer.zero_grad()
    with Trace(model) as trace:
        model.loss(model(ids), ids).backward()
    trace.step(optimizer)
    return trace


def test_every_number_on_the_way_is_explained() -> None:
    torch.manual_seed(5)
    model = GPT(11, Architecture(8, 16, 2, 1, bias=False))
    trace = traced(model, {**hidden_matrices(model), "blocks.0.attention.query_key_value.weight": (16, 16, 16)})
    for name in ("attention.query_key_value", "feed_forward.widen", "feed_forward.narrow"):
        update = trace.updates[f"blocks.0.{name}.weight"]
        assert trace.cell(f"update:{update.parameter}[15,3]").agrees
        last = tuple(size - 1 for size in update.after.shape)
        assert trace.cell(f"update:{update.parameter}{list(last)}").agrees
        for own, tensor in update.shown.items():
            position = tuple(size // 2 for size in tensor.shape)
            found = trace.cell(f"update:{update.parameter}.{own}{list(position)}")
            assert found.expression is not None
            assert found.agrees, own
            assert found.value == float(tensor[position])


def test_the_arithmetic_leads_down_to_the_momentum() -> None:
    torch.manual_seed(5)
    model = GPT(11, Architecture(8, 16, 2, 1, bias=False))
    trace = traced(model, hidden_matrices(model))
    name = "blocks.0.feed_forward.widen.weight"
    update = trace.updates[name]
    sources: set[str] = {str(cell).partition("[")[0] for cell in trace.cell(f"update:{name}[1,2]").sources()}
    assert sources == {name, f"update:{name}.x4", f"update:{name}.polynomial5"}
    shown: Tensor = update.shown["x0"]
    gradient, velocity = update.gradient.double(), update.state["velocity"].double()
    ahead = gradient + 0.95 * (0.95 * velocity + gradient)
    torch.testing.assert_close(shown.double(), ahead / (ahead.norm() + 1e-7), rtol=1e-5, atol=1e-7)


def test_a_plan_needs_both_learning_rates() -> None:
    plan = TrainingPlan(optimizer="muon", learning_rate=0.02, adamw_learning_rate=0.01, batch=1)
    assert plan.momentum == 0.95
    with pytest.raises(ValidationError, match="muon needs adamw_learning_rate"):
        TrainingPlan(optimizer="muon", learning_rate=0.02, batch=1)
    with pytest.raises(ValidationError, match="goes with muon alone"):
        TrainingPlan(learning_rate=0.02, adamw_learning_rate=0.01, batch=1)
