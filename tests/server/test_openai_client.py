"""A served model, asked by OpenAI's own client and by curl, unchanged; its answers are those of our own functions."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from itertools import pairwise
from typing import Any

import openai
import pytest
import torch
from serving import Served, Small
from small_chat import TEMPLATE

from kqv.generation.generate import complete
from kqv.generation.predictor import Cached
from kqv.generation.sampling import Sampling
from kqv.interchange.chat_template import ChatTemplate

PROMPT = "Once upon a time"


@pytest.fixture
def client(served: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{served.address}/v1", api_key="none", max_retries=0, timeout=60)


def ours(small: Small, prompt: str, tokens: int, seed: int, samples: int = 1, **options: Any) -> list[str]:
    """What `kqv generate` writes."""
    ids, how = small.tokenizer.encode_prompt(prompt), Sampling(**options)
    return complete(Cached(small.model), small.tokenizer, ids, tokens, how, seed, samples=samples)


def logs_of(small: Small, ids: list[int]) -> torch.Tensor:
    """log p of what comes after each token of a text, by one pass over all of it."""
    with torch.no_grad():
        return torch.log_softmax(small.model(torch.tensor([ids]))[0].double(), -1)


def test_the_model_is_listed(client: openai.OpenAI) -> None:
    assert [one.id for one in client.models.list()] == ["chatty"]
    assert client.models.retrieve("chatty").owned_by == "kqv"
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.models.retrieve("gpt-4")


def test_a_seeded_text_is_that_of_kqv_generate(client: openai.OpenAI, small: Small) -> None:
    asked = {"model": "chatty", "prompt": PROMPT, "max_tokens": 30, "seed": 5}
    for options in ({"temperature": 0.9}, {"temperature": 0}, {"temperature": 1.2, "top_p": 0.8}):
        found = client.completions.create(**asked, **options, n=2)  # type: ignore[call-overload]
        assert [one.text for one in found.choices] == ours(small, PROMPT, 30, 5, 2, **options)
        assert {one.finish_reason for one in found.choices} == {"length"}
        count = len(small.tokenizer.encode(PROMPT))
        assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (count, 60)
        assert found.usage.total_tokens == count + 60


def test_streamed_it_is_the_same(client: openai.OpenAI, small: Small) -> None:
    asked = {"model": "chatty", "prompt": PROMPT, "max_tokens": 40, "seed": 8, "n": 2}
    texts, usage, reasons = {0: "", 1: ""}, None, []
    options = {"include_usage": True}
    for chunk in client.completions.create(**asked, stream=True, stream_options=options):  # type: ignore[call-overload]
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.text
            reasons += [choice.finish_reason] if choice.finish_reason else []
    assert list(texts.values()) == ours(small, PROMPT, 40, 8, 2)
    assert reasons == ["length", "length"]
    assert usage is not None
    assert usage.completion_tokens == 80


def test_it_stops_before_a_stop_string(client: openai.OpenAI, small: Small) -> None:
    whole = ours(small, PROMPT, 60, 2)[0]
    stop = whole[20:23]
    asked = {"model": "chatty", "prompt": PROMPT, "max_tokens": 60, "seed": 2, "stop": [stop, "nowhere"]}
    found = client.completions.create(**asked, logprobs=0).choices[0]  # type: ignore[call-overload]
    assert (found.text, found.finish_reason) == (whole[: whole.index(stop)], "stop")
    assert max(found.logprobs.text_offset) < len(found.text)
    streamed = list(client.completions.create(**asked, stream=True))  # type: ignore[call-overload]
    assert "".join(chunk.choices[0].text for chunk in streamed) == found.text


def test_log_probabilities_are_those_of_our_own_pass(client: openai.OpenAI, small: Small) -> None:
    asked = {"model": "chatty", "prompt": PROMPT, "max_tokens": 12, "seed": 4, "temperature": 0.7, "logprobs": 3}
    choice = client.completions.create(**asked, echo=True).choices[0]  # type: ignore[call-overload]
    told, own = choice.logprobs, small.tokenizer
    begun = own.encode(PROMPT).tolist()
    ids = begun + [token for name in told.tokens[len(begun) :] for token in _ids_named(small, name)]
    assert len(ids) == len(told.tokens) == len(begun) + 12
    logs = logs_of(small, ids)
    expected = [float(logs[at, ids[at + 1]]) for at in range(len(ids) - 1)]
    assert told.token_logprobs[0] is None
    assert told.token_logprobs[1:] == pytest.approx(expected, abs=1e-5)
    for at, top in enumerate(told.top_logprobs[1:]):
        best = logs[at].topk(3)
        assert set(top) == {own.token_text(token) for token in [*best.indices.tolist(), ids[at + 1]]}
        assert sorted(top.values())[-3:] == pytest.approx(sorted(best.values.tolist()), abs=1e-5)
    named = list(zip(told.tokens, told.text_offset, strict=True))
    whole = [two for one, two in pairwise(named) if "\\x" not in one[0] + two[0]]  # parts of characters lie between
    assert whole
    assert all(choice.text[start:].startswith(name) for name, start in whole)


def _ids_named(small: Small, name: str) -> list[int]:
    return [next(token for token in range(small.tokenizer.size) if small.tokenizer.token_text(token) == name)]


def test_a_text_is_scored_without_writing(client: openai.OpenAI, small: Small) -> None:
    text = "the queen said: not today"
    asked = {"model": "chatty", "prompt": text, "max_tokens": 0, "echo": True, "logprobs": 1}
    found = client.completions.create(**asked).choices[0]  # type: ignore[call-overload]
    ids = small.tokenizer.encode(text).tolist()
    logs = logs_of(small, ids)
    expected = sum(float(logs[at, token]) for at, token in enumerate(ids[1:]))
    assert found.text == text
    assert sum(found.logprobs.token_logprobs[1:]) == pytest.approx(expected, abs=1e-4)


def test_a_conversation(client: openai.OpenAI, small: Small) -> None:
    messages = [
        {"role": "system", "content": "You are a queen."},
        {"role": "user", "content": [{"type": "text", "text": "Say <|im_end|> and more"}]},
    ]
    asked = {"model": "chatty", "messages": messages, "max_tokens": 20, "seed": 3}
    found = client.chat.completions.create(**asked, logprobs=True, top_logprobs=2)  # type: ignore[call-overload]
    plain = [messages[0], {"role": "user", "content": "Say <|im_end|> and more"}]
    ids = ChatTemplate(TEMPLATE).ids(plain, small.tokenizer)  # type: ignore[arg-type]
    assert found.usage.prompt_tokens == len(ids)
    how = Sampling()
    assert found.choices[0].message.content == complete(Cached(small.model), small.tokenizer, ids, 20, how, 3)[0]
    first = found.choices[0].logprobs.content[0]
    logs = logs_of(small, ids)[-1]
    assert first.logprob == pytest.approx(float(logs[_ids_named(small, first.token)[0]]), abs=1e-5)
    assert bytes(first.bytes) == small.tokenizer.decode_bytes(_ids_named(small, first.token))
    assert [one.logprob for one in first.top_logprobs] == pytest.approx(logs.topk(2).values.tolist(), abs=1e-5)

    chunks = list(client.chat.completions.create(**asked, stream=True))  # type: ignore[call-overload]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(one.choices[0].delta.content or "" for one in chunks) == found.choices[0].message.content
    assert [one.choices[0].finish_reason for one in chunks if one.choices[0].finish_reason] == ["length"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": 3}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"n": 17}, "n"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"logprobs": 9}, "logprobs"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": ""}, "stop"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"logit_bias": {"5": 10}}, "logit_bias"),
        ({"suffix": "end"}, "suffix"),
        ({"extra_body": {"colour": "red"}}, "Unrecognized request argument supplied: colour"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [5, 100_000]}, "ids of 'prompt'"),
        ({"prompt": "queen " * 300}, "maximum context length is 96 tokens"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"max_tokens": 1_000_000}, "at most 16,384 tokens"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_openais_words(client: openai.OpenAI, options: dict[str, Any], said: str) -> None:
    with pytest.raises(openai.BadRequestError, match=said) as refused:
        client.completions.create(**{"model": "chatty", "prompt": "a", **options})
    assert refused.value.type == "invalid_request_error"


def test_what_changes_nothing_is_taken(client: openai.OpenAI) -> None:
    client.completions.create(
        model="chatty", prompt=[1, 2, 3], max_tokens=1, presence_penalty=0, frequency_penalty=0.0, best_of=1, user="me",
        logit_bias={}, extra_body={"top_k": 3, "min_p": 0.1, "repetition_penalty": 1.2},
    )  # fmt: skip


@pytest.mark.parametrize("messages", [[], [{"role": "tool", "content": "x"}], [{"role": "user", "content": 5}]])
def test_messages_of_other_kinds_are_refused(client: openai.OpenAI, messages: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="messages"):
        client.chat.completions.create(model="chatty", messages=messages)


def test_past_the_context_the_window_moves_as_in_kqv_generate(client: openai.OpenAI, small: Small) -> None:
    found = client.completions.create(model="chatty", prompt=PROMPT, max_tokens=110, seed=1, temperature=0)
    assert found.choices[0].text == ours(small, PROMPT, 110, 1, temperature=0)[0]


def test_two_hundred_clients_at_once_are_each_answered_as_if_alone(served: Served, small: Small) -> None:
    expected = {seed: ours(small, PROMPT, 8, seed)[0] for seed in range(10)}

    async def all_of_them() -> list[str]:
        async with openai.AsyncOpenAI(
            base_url=f"{served.address}/v1", api_key="none", max_retries=0, timeout=60
        ) as client:
            asked = [
                client.completions.create(model="chatty", prompt=PROMPT, max_tokens=8, seed=number % 10)
                for number in range(200)
            ]
            return [found.choices[0].text for found in await asyncio.gather(*asked)]

    found = asyncio.run(all_of_them())
    assert found == [expected[number % 10] for number in range(200)]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_curl_needs_no_header(served: Served, small: Small) -> None:
    body = json.dumps({"prompt": PROMPT, "max_tokens": 10, "seed": 5, "stream": True})
    command = ["curl", "-sN", f"{served.address}/v1/completions", "-d", body]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    lines = [line.removeprefix("data: ") for line in said.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    assert "".join(json.loads(line)["choices"][0]["text"] for line in lines[:-1]) == ours(small, PROMPT, 10, 5)[0]
