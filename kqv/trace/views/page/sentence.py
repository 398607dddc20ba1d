"""The texts of a trace as the page shows them: their tokens, and the attention that asks from each."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kqv.errors import TraceError
from kqv.trace.views.attention import Attention
from kqv.trace.views.folding import block_of
from kqv.trace.views.page.shown import Shown
from kqv.trace.views.words import find_word

if TYPE_CHECKING:
    from kqv.trace.trace import Trace


def describe_texts(trace: Trace, chosen: Shown, word: str | None) -> list[dict[str, Any]]:
    """For each text that asks: its tokens, the one to begin with, what comes after the last one that was read, and its
    attentions in order with the tokens that they ask."""
    texts: dict[tuple[str, ...], dict[str, Any]] = {}
    for attention in chosen.attentions:
        text = texts.setdefault(attention.queries, _text(trace, attention, word))
        text["attentions"].append(_attention(attention))
        stack = block_of(attention.module).rpartition(".")[0]
        text["all"] = len([block for block in chosen.blocks if block.rpartition(".")[0] == stack])
    for text in texts.values():
        text["logits"] = _logits(trace, chosen, len(text["tokens"]))
    return list(texts.values())


def _text(trace: Trace, attention: Attention, word: str | None) -> dict[str, Any]:
    tokens = list(attention.queries)
    start = len(tokens) - 1
    if word is not None:
        with suppress(TraceError):  # the word is in another of the texts
            start = find_word(tokens, word)[-1]
    return {"tokens": tokens, "start": start, "next": _what_comes(trace, tokens), "attentions": []}


def _what_comes(trace: Trace, tokens: list[str]) -> str:
    """The token after the last one that the model read, where the text goes on there."""
    for record in trace.tensors:
        targets = (
            trace.meanings.of_axis(record.name, "position", record.sizes[-1], 0) if record.name == "targets" else []
        )
        if targets and len(targets) == len(tokens) and targets[:-1] == tokens[1:]:
            return targets[-1]
    return ""


def _attention(attention: Attention) -> dict[str, Any]:
    """One attention: its tensor, how it is headed, and the tokens that it asks, where these are another text's."""
    keys = None if attention.keys == attention.queries else list(attention.keys)
    return {"tensor": attention.record.name, "heading": attention.heading, "heads": attention.heads, "keys": keys}


def _logits(trace: Trace, chosen: Shown, tokens: int) -> str | None:
    """The tensor that says what comes after each of so many tokens."""
    for record in chosen.records:
        if (
            record.kind == "activation"
            and record.dimensions[-2:] == ("position", "vocab")
            and record.sizes[-2] == tokens
        ):
            return record.name
    return None
