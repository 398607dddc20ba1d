"""Tokens with their log-probabilities, as OpenAI's protocol shows them."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from typing import Any

import numpy as np

from kqv.data.text.tokenizers import Tokenizer
from kqv.generation.generate import End
from kqv.server.jobs import Piece, Scored


class Told:
    """The tokens of one text that may be told: each once the text that it begins in is certain.

    A stop string and what waits for one are no part of the text, nor are their tokens; a token that ends the text
    without being one of it is left out.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._starts = 0
        self._certain = 0
        self._waiting: list[tuple[int, Scored]] = []

    def push(self, piece: Piece) -> list[tuple[int, Scored]]:
        """The tokens that became certain with a piece, each with the character of the text at which it begins."""
        self._certain += len(piece.text)
        if piece.scored is not None and piece.is_text:
            self._add(piece.scored)
        return self._released(piece.end)

    def prompt(self, tokens: Iterable[Scored]) -> list[tuple[int, Scored]]:
        """The tokens of a prompt, which stands before the text."""
        for scored in tokens:
            self._add(scored)
        self._certain = self._starts
        waiting, self._waiting = self._waiting, []
        return waiting

    def _add(self, scored: Scored) -> None:
        self._waiting.append((self._starts, scored))
        self._starts += len(self._characters.decode(self.tokenizer.decode_bytes(np.array([scored.token]))))

    def _released(self, end: End | None) -> list[tuple[int, Scored]]:
        if end is not None and end != "stop":
            released, self._waiting = self._waiting, []
            return released
        released = [one for one in self._waiting if one[0] < self._certain]
        self._waiting = self._waiting[len(released) :]
        return released


def of_completion(tokens: list[tuple[int, Scored]], tokenizer: Tokenizer, with_top: bool) -> dict[str, Any]:
    """As completions have them: four lists side by side."""
    return {
        "tokens": [tokenizer.token_text(one.token) for _, one in tokens],
        "token_logprobs": [one.log_probability for _, one in tokens],
        "top_logprobs": [_top(one, tokenizer) for _, one in tokens] if with_top else None,
        "text_offset": [start for start, _ in tokens],
    }


def _top(one: Scored, tokenizer: Tokenizer) -> dict[str, float] | None:
    if one.log_probability is None:
        return None
    return {tokenizer.token_text(token): log for token, log in (*one.top, (one.token, one.log_probability))}


def of_chat(tokens: list[tuple[int, Scored]], tokenizer: Tokenizer) -> dict[str, Any]:
    """As conversations have them: an object for each token, with its bytes."""
    content = [
        _entry(one.token, one.log_probability or 0.0, tokenizer)
        | {"top_logprobs": [_entry(token, log, tokenizer) for token, log in one.top]}
        for _, one in tokens
    ]
    return {"content": content, "refusal": None}


def _entry(token: int, log: float, tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "token": tokenizer.token_text(token), "logprob": log, "bytes": list(tokenizer.decode_bytes(np.array([token]))),
    }  # fmt: skip
