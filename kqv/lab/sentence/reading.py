"""A traced text as a page walks through it: its words, its steps in order, and where each head is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kqv.errors import Error
from kqv.recording import unseen
from kqv.systems.system import TraceAsked
from kqv.trace.records import TensorRecord
from kqv.trace.trace import Trace
from kqv.trace.views.attention import Attention, attentions, axis_words
from kqv.trace.views.described import finite
from kqv.trace.views.folding import block_of

MOST_TOKENS = 512
"""Tokens up to which a text is traced: attention's tensors grow with their square."""

TOKENS = ("ids", "source_ids")
"""The tensors that hold a text as ids."""

NEXT = 60
"""So many of the likeliest next tokens have their words sent."""


def asked_of(text: str, translation: str | None, like: str | None, translates: bool) -> TraceAsked:
    """What is to be traced; `Error` for a text without a word."""
    if not text.strip():
        raise Error("the text is empty; type a sentence")
    label = translation.strip() if translation is not None and translates else ""
    return TraceAsked(text, label or None, like=like or None)


def described(trace: Trace) -> dict[str, Any]:
    """The texts, the attentions and the steps of a traced text. Raises `Error` for a text that is too long."""
    with unseen():
        texts = _texts(trace)
        known = attentions(trace)
        return {
            "texts": texts,
            "attentions": [_attention(one, texts) for one in known],
            "steps": [_step(record) for record in trace.tensors if _is_step(record)],
            "logits": next((one.name for one in trace.tensors if one.dimensions[-2:] == ("position", "vocab")), None),
            "gradients": any(record.readable_gradient is not None for record in trace.tensors),
            "cost": finite(float(trace["cost"].value)) if "cost" in trace else None,
        }


def _texts(trace: Trace) -> list[dict[str, Any]]:
    """Each text that is read: its ids with their words, in the order of the pass."""
    found = []
    for record in trace.tensors:
        if record.name in TOKENS and len(record.sizes) == 2:
            dimension = record.dimensions[-1]
            found.append(
                {
                    "name": record.name,
                    "dimension": dimension,
                    "words": list(_words(trace, record, dimension)),
                    "ids": record.value[0].tolist(),
                }
            )
    return found


def _words(trace: Trace, record: TensorRecord, dimension: str) -> Sequence[str]:
    elements = trace.meanings.elements.get(record.name)
    return elements if elements else axis_words(trace, record, dimension)


def _attention(one: Attention, texts: list[dict[str, Any]]) -> dict[str, Any]:
    """Where it is, its heads, and which texts ask and are asked."""
    return {
        "module": one.module,
        "heading": one.heading,
        "block": block_of(one.module) or one.module,
        "heads": one.heads,
        "lead": list(one.record.sizes[1:-2]),
        "own": one.is_of_one_text,
        "queries": _text_of(one.queries, texts),
        "keys": _text_of(one.keys, texts),
    }


def _text_of(words: tuple[str, ...], texts: list[dict[str, Any]]) -> int:
    """Which of the texts has these words."""
    return next((number for number, text in enumerate(texts) if tuple(text["words"]) == words), 0)


def _is_step(record: TensorRecord) -> bool:
    return record.kind == "activation" and len(record.dimensions) == len(record.sizes)


def _step(record: TensorRecord) -> dict[str, Any]:
    return {
        "tensor": record.name,
        "name": record.name.rpartition(".")[2],
        "module": record.path,
        "dimensions": list(record.dimensions),
        "sizes": list(record.sizes),
        "formula": record.formula,
        "origin": record.origin,
        "location": str(record.location),
        "gradient": record.readable_gradient is not None,
        "integer": not record.tensor.is_floating_point(),
    }


def attention_from(trace: Trace, text: int, query: int) -> Tensor:
    """What every head of every attention that a text asks in gives from a position to each key: all their rows, one
    after the other, `[attention·head·key]`. Raises `Error` for a position that the text does not have."""
    with unseen():
        texts = _texts(trace)
        if not 0 <= text < len(texts) or not 0 <= query < len(texts[text]["words"]):
            raise Error(f"the trace has no position {query} in its text {text}")
        rows = [
            one.weights[:, query].flatten() for one in attentions(trace) if _text_of(one.queries, texts) == text
        ]  # fmt: skip
        return torch.cat(rows) if rows else torch.empty(0)


def likeliest(trace: Trace, position: int, count: int = NEXT) -> list[dict[str, Any]]:
    """The tokens with the largest logits after a position, with their words. Raises `Error` where there are none."""
    record = next((one for one in trace.tensors if one.dimensions[-2:] == ("position", "vocab")), None)
    if record is None:
        raise Error("this model predicts no next token")
    if not 0 <= position < record.sizes[-2]:
        raise Error(f"there is no position {position}; the logits stand at 0 to {record.sizes[-2] - 1}")
    with unseen():
        logits = record.value[0, position].double().cpu()
        order = logits.sort(descending=True, stable=True).indices[:count].tolist()
        words = trace.meanings.of_axis(record.name, "vocab", record.sizes[-1], 0)
    return [{"id": token, "text": words[token] if words else str(token)} for token in order]
