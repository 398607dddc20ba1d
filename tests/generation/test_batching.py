"""Texts that are written together: each as if it were alone, to the bit."""

from __future__ import annotations

import pytest
import torch
from small import CONTEXT, byte_gpt

from kqv.errors import DimensionError, Error
from kqv.generation.batching import CHUNK, Text, Together
from kqv.generation.predictor import Cached
from kqv.generation.weights import ROWS
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.models.side_by_side import SideBySide
from kqv.operations.products import FEW_ROWS


def written(together: Together, prompts: list[list[int]], tokens: int, starts: list[int]) -> list[list[torch.Tensor]]:
    """The logits of each greedy text at each token; text i comes in after `starts[i]` turns."""
    found: list[list[torch.Tensor]] = [[] for _ in prompts]
    texts: dict[int, Text] = {}
    turn = 0
    while any(len(rows) < tokens for rows in found):
        for number, prompt in enumerate(prompts):
            if starts[number] == turn:
                texts[number] = Text(together.model, prompt)
        going = [number for number in texts if len(found[number]) < tokens]
        ready = [number for number in going if texts[number].is_ready]
        for number in [number for number in going if not texts[number].is_ready]:
            logits = together.read(texts[number])[-1]
            if not texts[number].unread:
                found[number].append(logits)
                texts[number].add(int(logits.argmax()))
        if ready:
            for number, logits in zip(ready, together.advance([texts[n] for n in ready]), strict=True):
                found[number].append(logits)
                texts[number].add(int(logits.argmax()))
        turn += 1
    return found


PROMPTS = [[1], list(range(7)), [5, 5, 5], list(range(40, 60)), [200, 3], [9] * 5, [77]]


def model_of(precision: torch.dtype = torch.float32, **parts: object) -> GPT:
    torch.manual_seed(3)
    chosen = Architecture(CONTEXT, width=48, heads=4, blocks=2, **parts)  # type: ignore[arg-type]
    model = GPT(256, chosen).to(precision)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"positions": "rotary", "norm": "rms", "feed_forward": "swiglu", "key_heads": 2},
        {"positions": "alibi"},
        {"positions": "sinusoidal", "mask": "window", "window": 5},
        {"score": "cosine"},
    ],
    ids=str,
)
def test_company_changes_no_bit(parts: dict[str, object]) -> None:
    together = Together(model_of(**parts))
    starts = [0, 0, 3, 1, 4, 4, 2]
    in_company = written(together, PROMPTS, 24, starts)
    for prompt, rows in zip(PROMPTS, in_company, strict=True):
        alone = written(together, [prompt], 24, [0])[0]
        assert all(map(torch.equal, rows, alone))


@pytest.mark.parametrize("parts", [{}, {"score": "cosine"}], ids=str)
@pytest.mark.parametrize("width", [128, 320])
def test_much_company_changes_no_bit_of_a_wider_model(width: int, parts: dict[str, object]) -> None:
    torch.manual_seed(3)
    model = GPT(256, Architecture(CONTEXT, width=width, heads=4, blocks=1, **parts))  # type: ignore[arg-type]
    together = Together(model)
    alone = written(together, [[7, 1, 2]], 4, [0])[0]
    for count in (9, 14, FEW_ROWS, FEW_ROWS + 3):
        prompts = [[7, 1, 2], *([number, 4] for number in range(1, count))]
        assert all(map(torch.equal, written(together, prompts, 4, [0] * count)[0], alone)), count


def test_it_is_what_the_cached_predictor_says_also_past_the_context() -> None:
    model = byte_gpt()
    for prompt in PROMPTS:
        rows = written(Together(model), [prompt], 40, [0])[0]
        predictor = Cached(model)
        expected = predictor.prefill(torch.tensor([prompt]))[0]
        for logits in rows:
            torch.testing.assert_close(logits, expected, rtol=0, atol=1e-9)
            expected = predictor.advance(expected.argmax()[None])[0]


@pytest.mark.skipif(torch.backends.quantized.engine not in ("x86", "fbgemm"), reason="needs fbgemm's kernels")
@pytest.mark.parametrize("weights", ["float16", "bfloat16", "int8"])
@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"positions": "rotary", "norm": "rms", "feed_forward": "swiglu", "key_heads": 1, "query_key_norm": True},
        {"positions": "sinusoidal", "mask": "window", "window": 5},
    ],
    ids=str,
)
def test_smaller_weights_say_in_any_company_what_the_cached_predictor_says(
    parts: dict[str, object], weights: str
) -> None:
    model = model_of(**parts)
    together = Together(model, weights)
    for prompt, rows in zip(PROMPTS, written(together, PROMPTS, 40, [0, 0, 3, 1, 4, 4, 2]), strict=True):
        predictor = Cached(model, weights)
        expected = predictor.prefill(torch.tensor([prompt]))[0]
        for logits in rows:
            assert torch.equal(logits, expected)
            expected = predictor.advance(expected.argmax()[None])[0]


def test_unusual_models_are_refused_smaller_weights() -> None:
    with pytest.raises(Error, match="int8 weights are for models of usual parts, and this one has"):
        Together(model_of(score="cosine"), "int8")


def test_a_long_prompt_is_read_in_chunks_with_the_logits_of_every_token() -> None:
    torch.manual_seed(1)
    model = GPT(40, Architecture(3 * CHUNK, width=16, heads=2, blocks=1)).double()
    ids = torch.randint(0, 40, (2 * CHUNK + 9,))
    text, together = Text(model, ids.tolist(), longest=2 * CHUNK + 9), Together(model)
    rows = torch.cat([together.read(text, every=True) for _ in range(3)])
    assert not text.unread
    with torch.no_grad():
        torch.testing.assert_close(rows, model(ids[None])[0], rtol=0, atol=1e-9)


def test_a_copy_goes_its_own_way() -> None:
    together = Together(byte_gpt())
    text = Text(together.model, [1, 2, 3])
    together.read(text)
    copy = text.copied()
    text.add(4), copy.add(5)
    both = together.advance([text, copy])
    for row, ids in zip(both, ([1, 2, 3, 4], [1, 2, 3, 5]), strict=True):
        with torch.no_grad():
            torch.testing.assert_close(row, together.model(torch.tensor([ids]))[0, -1], rtol=0, atol=1e-9)


def test_what_does_not_fit_is_refused() -> None:
    model = byte_gpt()
    texts = [Text(model, [1], longest=1) for _ in range(ROWS)]
    together = Together(model)
    together.advance(texts)
    for text in texts:
        text.add(2)
    with pytest.raises(Error, match="room for 1 positions"):
        together.advance(texts)
    with torch.no_grad(), pytest.raises(DimensionError, match="side by side"):
        model(torch.zeros(1, 1, dtype=torch.int64), SideBySide([model.new_cache(1), model.new_cache(1)]))
    with pytest.raises(Error, match="no gradient"):
        model(torch.zeros(1, 1, dtype=torch.int64), SideBySide([model.new_cache(1)]))
    with pytest.raises(Error, match="see later"):
        Text(GPT(9, Architecture(8, width=8, heads=2, blocks=1, mask="none")), [1])
