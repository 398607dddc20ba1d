"""Cached and recomputed logits are the same, within the context and past it, for several texts at once."""

from __future__ import annotations

import pytest
import torch
from small import CONTEXT, byte_gpt
from torch import Tensor

from kqv.errors import DimensionError, Error
from kqv.generation.predictor import Cached, Predictor, Recomputing
from kqv.models.gpt import GPT
from kqv.trace.trace import Trace

PREDICTORS = [Recomputing, Cached]


def run(predictor: Predictor, texts: Tensor, prompt: int) -> list[Tensor]:
    """The logits after the prompt and after each later token of `texts[batch, position]`."""
    logits = [predictor.prefill(texts[:, :prompt])]
    return logits + [predictor.advance(texts[:, position]) for position in range(prompt, texts.shape[1])]


def windows(texts: Tensor, prompt: int, context: int) -> list[Tensor]:
    """What a predictor sees after each token, by its rule: of the prompt the end; full and one more, then the newer
    half stays."""
    found = [texts[:, :prompt][:, -context:]]
    for position in range(prompt, texts.shape[1]):
        window = torch.cat((found[-1], texts[:, position : position + 1]), 1)
        found.append(window if window.shape[1] <= context else window[:, -max(1, context // 2) :])
    return found


def text(batch: int, length: int) -> Tensor:
    return torch.randint(256, (batch, length), generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("context", [1, 2, 7, CONTEXT])
@pytest.mark.parametrize("kind", PREDICTORS)
def test_each_logits_are_the_models_for_its_window(kind: type[Recomputing], context: int) -> None:
    model = byte_gpt(context=context)
    prompt = (context + 1) // 2
    texts = text(batch=3, length=3 * context + 2)
    seen = windows(texts, prompt, context)
    assert max(window.shape[1] for window in seen) == context, "the window must fill to tell anything"
    for logits, window in zip(run(kind(model), texts, prompt), seen, strict=True):
        with torch.no_grad():
            expected = model(window)[:, -1]
        assert float((logits - expected).abs().max()) <= 1e-12
        assert torch.equal(logits.argmax(-1), expected.argmax(-1))


def test_a_prompt_may_fill_the_context() -> None:
    model, texts = byte_gpt(), text(batch=2, length=CONTEXT + 3)
    for cached, plain in zip(run(Cached(model), texts, CONTEXT), run(Recomputing(model), texts, CONTEXT), strict=True):
        assert float((cached - plain).abs().max()) <= 1e-12


@pytest.mark.parametrize("kind", PREDICTORS)
def test_of_a_longer_prompt_the_last_tokens_are_read(kind: type[Recomputing]) -> None:
    model, texts = byte_gpt(), text(batch=2, length=3 * CONTEXT)
    seen = windows(texts, 2 * CONTEXT, CONTEXT)
    for logits, window in zip(run(kind(model), texts, 2 * CONTEXT), seen, strict=True):
        with torch.no_grad():
            assert float((logits - model(window)[:, -1]).abs().max()) <= 1e-12


def test_the_cache_saves_reading_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    model = byte_gpt()
    lengths: list[int] = []
    read = GPT.read
    monkeypatch.setattr(GPT, "read", lambda self, ids, cache: lengths.append(ids.shape[1]) or read(self, ids, cache))
    run(Cached(model), text(batch=1, length=2 * CONTEXT), prompt=3)
    refill, left = CONTEXT // 2, 2 * CONTEXT - 3
    assert lengths[: CONTEXT - 2] == [3, *[1] * (CONTEXT - 3)]
    assert lengths[CONTEXT - 2] == refill
    assert len(lengths) == left + 1
    assert sum(lengths) == 3 + (CONTEXT - 3) + 2 * refill + (left - (CONTEXT - 3) - 2)


def test_a_predictor_begins_anew_with_each_prefill() -> None:
    model, texts = byte_gpt(), text(batch=3, length=12)
    used = Cached(model)
    run(used, text(batch=3, length=20), 5)
    fresh = run(Cached(model), texts, 4)
    for again, expected in zip(run(used, texts, 4), fresh, strict=True):
        assert torch.equal(again, expected)
    assert used.prefill(texts[:1, :4]).shape == (1, 256), "another number of texts too"


@pytest.mark.parametrize("kind", PREDICTORS)
def test_a_model_in_training_predicts_without_dropout_and_stays_in_training(kind: type[Recomputing]) -> None:
    model, texts = byte_gpt(dropout=0.5), text(batch=2, length=6)
    expected = run(kind(byte_gpt()), texts, 3)
    assert model.training
    state = torch.get_rng_state()
    for found, wanted in zip(run(kind(model), texts, 3), expected, strict=True):
        assert torch.equal(found, wanted)
    assert all(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), state), "training draws what it would have drawn"


@pytest.mark.parametrize("kind", PREDICTORS)
def test_a_trace_sees_every_step(kind: type[Recomputing]) -> None:
    model, texts = byte_gpt(), text(batch=1, length=6)
    with Trace(model) as trace:
        logits = run(kind(model), texts, 3)
    names = ["logits", "logits#2", "logits#3", "logits#4"]
    for name, expected in zip(names, logits, strict=True):
        torch.testing.assert_close(trace[name].value[:, -1], expected)
    explanation = trace.cell("logits#4[0,0,7]")
    assert explanation.expression is not None
    assert explanation.agrees


@pytest.mark.parametrize("kind", PREDICTORS)
def test_what_cannot_be_read_is_refused(kind: type[Recomputing]) -> None:
    predictor = kind(byte_gpt())
    with pytest.raises(Error, match="call prefill"):
        predictor.advance(torch.zeros(1, dtype=torch.int64))
    with pytest.raises(Error, match="begins with at least one token; got none"):
        predictor.prefill(torch.zeros(1, 0, dtype=torch.int64))
    with pytest.raises(DimensionError, match=r"ids\[batch, position\]; got a tensor of shape \[3\]"):
        predictor.prefill(torch.zeros(3, dtype=torch.int64))
    predictor.prefill(torch.zeros(2, 1, dtype=torch.int64))
    with pytest.raises(DimensionError, match=r"ids\[batch=2\]; got a tensor of shape \[3\]"):
        predictor.advance(torch.zeros(3, dtype=torch.int64))
