"""Generation as a whole: the same text with and without cache, samples, stop strings, steps, and bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from small import CONTEXT, Bytes, Scripted, Words, byte_gpt
from test_predictor import windows

from kqv.errors import Error
from kqv.generation.generate import Step, complete, generate
from kqv.generation.predictor import Cached, Recomputing
from kqv.generation.sampling import Sampling

PROMPT = list(b"We go")
SAMPLINGS = {
    "greedy": Sampling(temperature=0),
    "all that the model says": Sampling(),
    "every filter": Sampling(temperature=1.2, top_k=50, top_p=0.95, min_p=0.02, repetition_penalty=1.1),
}


def tokens_of(steps: list[Step], sample: int = 0) -> list[int]:
    return [step.choice.token for step in steps if step.sample == sample]


@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
def test_text_with_cache_is_the_text_without_past_the_context_too(sampling: Sampling) -> None:
    model = byte_gpt()
    cached, plain = (
        list(generate(kind(model), Bytes(), PROMPT, 3 * CONTEXT, sampling, samples=3)) for kind in (Cached, Recomputing)
    )
    assert len(cached) == len(plain) == 3 * 3 * CONTEXT
    for mine, its in zip(cached, plain, strict=True):
        assert (mine.sample, mine.number, mine.choice.token, mine.text, mine.end) == (
            its.sample, its.number, its.choice.token, its.text, its.end,
        )  # fmt: skip
        assert float((mine.choice.logits - its.choice.logits).abs().max()) <= 1e-12
    texts = {tuple(tokens_of(cached, sample)) for sample in range(3)}
    assert len(texts) == (1 if sampling.temperature == 0 else 3)


@pytest.mark.parametrize("length", [CONTEXT, CONTEXT + 1, 3 * CONTEXT + 5])
def test_of_a_long_prompt_the_end_is_read(length: int) -> None:
    prompt = np.random.default_rng(1).integers(0, 256, length)
    texts = [
        [(step.choice.token, step.text) for step in generate(kind(byte_gpt()), Bytes(), ids, 2 * CONTEXT)]
        for kind in (Cached, Recomputing)
        for ids in (prompt, prompt[-CONTEXT:])
    ]
    assert all(text == texts[0] for text in texts)


def test_greedy_text_is_the_models_most_likely_token_each_time() -> None:
    model = byte_gpt()
    ids = PROMPT + tokens_of(list(generate(Cached(model), Bytes(), PROMPT, 2 * CONTEXT, Sampling(temperature=0))))
    seen = windows(torch.tensor([ids]), len(PROMPT), CONTEXT)
    for position, window in enumerate(seen[:-1], start=len(PROMPT)):
        with torch.no_grad():
            assert ids[position] == int(model(window)[0, -1].argmax())


def test_sample_0_is_the_same_however_many_there_are() -> None:
    model = byte_gpt()
    alone, among = (list(generate(Cached(model), Bytes(), PROMPT, 30, seed=5, samples=count)) for count in (1, 4))
    assert tokens_of(alone) == tokens_of(among)
    assert tokens_of(among, 1) != tokens_of(among, 0)


def test_the_seed_makes_the_text() -> None:
    model = byte_gpt()
    texts = [complete(Cached(model), Bytes(), PROMPT, 30, seed=seed)[0] for seed in (5, 5, 6)]
    assert texts[0] == texts[1] != texts[2]


def test_a_prompt_is_ids_of_any_kind() -> None:
    texts = [
        complete(Cached(byte_gpt()), Bytes(), prompt, 10)
        for prompt in (PROMPT, np.array(PROMPT, dtype=np.uint16), tuple(PROMPT))
    ]
    assert texts[0] == texts[1] == texts[2]


def test_the_repetition_penalty_sees_the_prompt_and_what_was_written() -> None:
    harsh = Sampling(temperature=0, repetition_penalty=1e9)
    ids = PROMPT + tokens_of(list(generate(Cached(byte_gpt()), Bytes(), PROMPT, 3 * CONTEXT, harsh)))
    assert len(set(ids)) == len(ids)


def test_every_step_says_how_its_token_was_chosen() -> None:
    sampling = Sampling(top_k=3)
    for step in generate(Cached(byte_gpt()), Bytes(), PROMPT, 5, sampling):
        shown = step.choice.top(3)
        assert sum(candidate.kept for candidate in shown) == pytest.approx(1)
        assert [candidate.token for candidate in shown if candidate.chosen] == [step.choice.token]


def test_steps_come_as_they_are_computed() -> None:
    predictor = Scripted([0, 1, 0], vocab=2)
    steps = generate(predictor, Words(b"a", b"b"), [0, 1, 1], 3)
    assert predictor.read == []
    assert next(steps).text == "a"
    assert [ids.tolist() for ids in predictor.read] == [[[0, 1, 1]]]
    assert [(step.number, step.text, step.end) for step in steps] == [(1, "b", None), (2, "a", "length")]
    assert [ids.tolist() for ids in predictor.read[1:]] == [[0], [1]], "a last token is not read any more"


def test_a_stop_string_ends_a_text_across_tokens_and_is_not_shown() -> None:
    words = Words(b"Anna", b": yes", b".\n", b"\nBo", b"b:")
    predictor = Scripted([1, 2, 3, 4], vocab=5)
    steps = list(generate(predictor, words, [0], 4, stop=["\n\n"]))
    assert [(step.text, step.end) for step in steps] == [(": yes", None), (".", None), ("", "stop")]
    assert complete(Scripted([1, 2, 3, 4], vocab=5), words, [0], 4, stop=["\nBob:"]) == [": yes.\n"]
    assert complete(Scripted([1, 2], vocab=5), words, [0], 2, stop=["\n\n"]) == [": yes.\n"], "what waited is shown"


def test_a_stop_string_in_the_prompt_stops_nothing() -> None:
    words = Words(b"Anna", b": yes", b".\n")
    assert complete(Scripted([1, 1], vocab=3), words, [0], 2, stop=["Anna: y", "Anna"]) == [": yes: yes"]


def test_the_end_of_text_token_ends_a_text_and_is_not_shown() -> None:
    words = Words(b"a", b"\xc3", b"<end>", b"b", endings=frozenset({2}))
    steps = list(generate(Scripted([0, 2, 3], vocab=4), words, [0], 3))
    assert [(step.choice.token, step.text, step.end) for step in steps] == [(0, "a", None), (2, "", "end of text")]
    assert complete(Scripted([1, 2, 3], vocab=4), words, [0], 3) == ["\ufffd"], "what waited is shown"
    assert complete(Scripted([0, 0, 2], vocab=4), words, [0], 3) == ["aa"], "also as the last one"
    assert complete(Scripted([0, 2, 3], vocab=4), words, [0], 3, past_end=True) == ["a<end>b"]
    assert complete(Scripted([0, 3], vocab=4), words, [2], 2) == ["ab"], "in the prompt it ends nothing"


def test_texts_end_apart_from_each_other() -> None:
    model = byte_gpt()
    free = [tokens_of(list(generate(Cached(model), Bytes(), PROMPT, 20, seed=2, samples=3)), n) for n in range(3)]
    # a byte that only one sample writes, and early: it stops that one
    stop, at, which = next(
        (byte, free[n].index(byte), n)
        for n in range(3)
        for byte in free[n][:10]
        if byte < 128 and all(byte not in free[other] for other in range(3) if other != n)
    )
    steps = list(generate(Cached(model), Bytes(), PROMPT, 20, seed=2, samples=3, stop=[chr(stop)]))
    for sample in range(3):
        length = at + 1 if sample == which else 20
        assert tokens_of(steps, sample) == free[sample][:length]
        ends = [step.end for step in steps if step.sample == sample]
        assert ends == [None] * (length - 1) + ["stop" if sample == which else "length"]


def test_a_character_that_is_not_whole_at_the_end_is_shown_as_such() -> None:
    assert complete(Scripted([1, 2], vocab=3), Words(b"-", b"a", "ä".encode()[:1]), [0], 2) == ["a�"]


def test_no_tokens_are_no_steps() -> None:
    assert list(generate(Cached(byte_gpt()), Bytes(), PROMPT, 0)) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prompt_ids": []}, "at least one token"),
        ({"prompt_ids": [[1, 2]]}, "list of ids"),
        ({"prompt_ids": [3, 256]}, "from 0 to 255; got 3 to 256"),
        ({"prompt_ids": [-1]}, "from 0 to 255; got -1 to -1"),
        ({"prompt_ids": [0.5]}, r"got 0\.5"),
        ({"tokenizer": Words(b"a")}, "knows 256 tokens and the tokenizer 1"),
        ({"tokens": -1}, "got tokens -1, samples 1"),
        ({"samples": 0}, "got tokens 5, samples 0"),
        ({"stop": [""]}, "at least one character"),
        ({"seed": -3}, "got -3"),
    ],
)
def test_bad_input_is_refused_at_the_call(changed: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"tokenizer": Bytes(), "prompt_ids": PROMPT, "tokens": 5, **changed}
    with pytest.raises(Error, match=message):
        generate(Cached(byte_gpt()), **given)
