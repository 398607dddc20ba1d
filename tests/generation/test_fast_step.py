"""The fast step says what the model says, for every part that it knows, and steps aside for all others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from small import Bytes
from torch import Tensor

from kqv.errors import Error
from kqv.generation.fast_step import FastStep
from kqv.generation.generate import generate
from kqv.generation.obstacles import obstacle_in
from kqv.generation.predictor import Cached, Recomputing
from kqv.generation.sampling import Sampling
from kqv.models.architecture import PARTS, Architecture
from kqv.models.families import FAMILIES
from kqv.models.gpt import GPT
from kqv.operations import Pair, gelu
from kqv.trace.trace import Trace

CONTEXT = 12
KNOWN: dict[str, dict[str, Any]] = {
    "own": {},
    **{name: dict(family.parts) for name, family in FAMILIES.items()},
    "shared keys": {**FAMILIES["llama"].parts, "key_heads": 2, "channels": 6},
    "shared and normed": {**FAMILIES["qwen3"].parts, "key_heads": 1, "channels": 10},
    "post-norm": {"block": "post-norm", "positions": "sinusoidal", "tied": False},
    "bare": {"norm": "none", "residual": "none", "positions": "periodic", "bias": False},
    "bare post-norm": {"block": "post-norm", "residual": "none", "norm": "rms", "positions": "none"},
    "window": {"mask": "window", "window": 3, **FAMILIES["llama"].parts},
    **{f"{name} in its blocks": {"feed_forward": name} for name in PARTS["feed_forward"]},
}
ODD = {
    **{f"score {name}": {"score": name} for name in PARTS["score"] if name != "dot"},
    **{f"scale {name}": {"scale": name} for name in PARTS["scale"] if name != "sqrt"},
    **{f"normaliser {name}": {"normaliser": name} for name in PARTS["normaliser"] if name != "softmax"},
    "alibi": {"positions": "alibi"},
}


def made(**parts: Any) -> GPT:
    """A GPT whose weights are large enough that its choices differ from position to position."""
    torch.manual_seed(1)
    sizes = {"context": CONTEXT, "width": 24, "heads": 4, "blocks": 2}
    model = GPT(256, Architecture(**{**sizes, **parts})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def texts(batch: int = 3, length: int = 2 * CONTEXT + 5) -> Tensor:
    return torch.randint(256, (batch, length), generator=torch.Generator().manual_seed(4))


def said(predictor: Recomputing, ids: Tensor, prompt: int = 5) -> list[Tensor]:
    """The logits after the prompt and after each later token of `ids[batch, position]`."""
    first = predictor.prefill(ids[:, :prompt])
    return [first, *(predictor.advance(ids[:, position]) for position in range(prompt, ids.shape[1]))]


def assert_alike(found: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert float((one - other).abs().max()) <= 1e-5 * max(1.0, float(other.abs().max()))
        assert torch.equal(one.argmax(-1), other.argmax(-1))


@pytest.fixture(name="steps")
def counted_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The texts of each fast step."""
    found: list[int] = []
    step = FastStep.__call__

    def counted(self: FastStep, ids: Tensor, cache: Any) -> Tensor:
        found.append(len(ids))
        return step(self, ids, cache)

    monkeypatch.setattr(FastStep, "__call__", counted)
    return found


@pytest.mark.parametrize("parts", KNOWN.values(), ids=KNOWN)
def test_it_says_what_the_model_says_within_the_context_and_past_it(parts: dict[str, Any], steps: list[int]) -> None:
    model = made(**parts)
    assert_alike(said(Cached(model), texts()), said(Recomputing(model), texts()))
    refills = 2  # 17 tokens after a window of 12 is full, of which each refill makes room for 7
    assert steps == [3] * (texts().shape[1] - 5 - refills - 1), "all but the refills"


@pytest.mark.parametrize("parts", ODD.values(), ids=ODD)
def test_for_other_parts_the_model_itself_goes_on(parts: dict[str, Any], steps: list[int]) -> None:
    model = made(**parts)
    assert obstacle_in(model) is not None
    said(Cached(model), texts(1, 7))
    assert not steps
    with pytest.raises(Error, match="int8 weights are for models of usual parts, and this one has") as failure:
        Cached(model, "int8")
    assert "\n" not in str(failure.value)


def test_masks_that_see_later_positions_are_refused_smaller_weights() -> None:
    for name in PARTS["mask"]:
        obstacle = obstacle_in(made(mask=name))
        assert (obstacle is None) == (name in ("past", "window"))
        assert obstacle is None or re.search(repr(name), obstacle)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_writes_the_same_text(family: str) -> None:
    model = made(**FAMILIES[family].parts)

    def written(predictor: Recomputing) -> list[int]:
        steps = generate(predictor, Bytes(), [1, 2, 3], 3 * CONTEXT, Sampling(temperature=0))
        return [step.choice.token for step in steps]

    assert written(Cached(model)) == written(Recomputing(model))


def test_what_a_trace_records_is_the_models_own_pass(steps: list[int]) -> None:
    model, ids = made(**FAMILIES["llama"].parts), texts(1, 8)
    predictor = Cached(model)
    before = said(predictor, ids[:, :7])
    assert steps == [1, 1]
    with Trace(model) as trace:
        predictor.advance(ids[:, 7])
    assert steps == [1, 1]
    assert trace.cell("logits[0,0,7]").agrees
    assert_alike([*before, trace["logits"].value[:, -1]], said(Recomputing(model), ids))


def test_hooks_are_called(steps: list[int]) -> None:
    model, seen = made(), []
    with model.blocks[1].register_forward_hook(lambda *_: seen.append(1)):
        said(Cached(model), texts(1, 9))
    assert len(seen) == 5
    assert not steps


def test_a_replaced_operation_is_used(steps: list[int]) -> None:
    model, ids = made(), texts(1, 9)
    with gelu.replaced(Pair(lambda x: (2 * x, (x,)), lambda saved, gradient: (2 * gradient,))):
        expected = said(Recomputing(model), ids)
        assert_alike(said(Cached(model), ids), expected)
    assert not steps
    assert float((said(Cached(model), ids)[-1] - expected[-1]).abs().max()) > 0.1


def test_under_autocast_the_model_itself_goes_on(steps: list[int]) -> None:
    model, ids = made(), texts(1, 9)
    with torch.autocast("cpu", torch.bfloat16):
        said(Cached(model), ids)
    assert not steps


def test_a_model_that_is_trained_further_is_read_anew(steps: list[int]) -> None:
    model, ids = made(**FAMILIES["llama"].parts), texts(1, 9)
    predictor = Cached(model)
    before = said(predictor, ids)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    after = said(predictor, ids)
    assert_alike(after, said(Recomputing(model), ids))
    assert float((after[-1] - before[-1]).abs().max()) > 0.01
    assert len(steps) == 8


def test_its_logits_can_be_used_like_any_others() -> None:
    model = made()
    logits = said(Cached(model), texts(1, 7))[-1]
    weight = torch.ones(256, requires_grad=True)
    (logits * weight).sum().backward()
    assert weight.grad is not None
