"""A token's logit as a sum: what each part wrote towards it, directly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kqv.arithmetic import number
from kqv.errors import Error
from kqv.recording import unseen
from kqv.trace.records import CallRecord
from kqv.trace.trace import Trace
from kqv.trace.views.text import terminal_width, wrapped
from kqv.viewed import Viewed
from kqv.why.parts import KINDS, Kind, Part, bias_of
from kqv.why.stream import Sum, exact, stream_at
from kqv.why.text import HONESTLY, closing, percent, table
from kqv.why.tolerance import require_sum


@dataclass(frozen=True, eq=False)
class TokenSplit(Viewed):
    """The logit of one token after a position, `value`, as Σ `terms[part]`: direct contributions, the last norm's
    factor held as it was.

    With `against`, another token, it is the difference of the two logits, which says how much likelier one is than the
    other: log p − log p'. `probability` and `against_probability` are what softmax makes of the logits.
    """

    token: str
    position: int
    word: str
    value: float
    probability: float
    parts: tuple[Part, ...]
    terms: Tensor
    against: str | None = None
    against_probability: float | None = None

    @property
    def sum(self) -> float:
        """Σ of all terms, in float64."""
        return float(self.terms.sum())

    @property
    def size(self) -> float:
        """Σ|terms|."""
        return float(self.terms.abs().sum())

    def largest(self, most: int = 12) -> list[tuple[Part, float]]:
        """So many parts, the largest first."""
        ordered = sorted(zip(self.parts, self.terms.tolist(), strict=True), key=lambda one: -abs(one[1]))
        return ordered[:most]

    @property
    def by_kind(self) -> dict[Kind, float]:
        """What all parts of a kind wrote together."""
        found = {
            kind: sum(value for part, value in zip(self.parts, self.terms.tolist(), strict=True) if part.kind == kind)
            for kind in KINDS
        }
        present = {part.kind for part in self.parts}
        return {kind: value for kind, value in found.items() if kind in present}

    def as_dict(self) -> dict[str, Any]:
        """All of it for JSON; a term's `fraction` is of Σ|terms|."""
        terms = [
            part.as_dict() | {"value": value, "fraction": value / self.size if self.size else 0.0}
            for part, value in self.largest(len(self.parts))
        ]
        return {
            "token": self.token, "position": self.position, "after": self.word, "against": self.against,
            "value": self.value, "sum": self.sum, "sum_of_sizes": self.size, "probability": self.probability,
            "against_probability": self.against_probability, "by_kind": self.by_kind, "terms": terms,
        }  # fmt: skip

    def text(self, width: int | None = None, most: int = 12) -> str:
        """The table for a terminal of this width (by default the one that is there), with so many parts."""
        return token_text(self, width, most)

    def __str__(self) -> str:
        return self.text()


def token_text(split: TokenSplit, width: int | None = None, most: int = 12) -> str:
    """The parts that wrote most, the rest as one line, the sum beside the shown value, and each kind of part."""
    width = terminal_width(width)
    heading = f"{token_heading(split)} It is the sum of {len(split.parts)} parts, with the last norm's factor held:"
    terms = split.largest(most)
    rows = [
        (value, part.words, f"{100 * value / split.size:+.1f} %".replace("-", "−") if split.size else "")
        for part, value in terms
    ]
    lines = [*wrapped(heading, width, ""), "", *table(("", "written by", "of Σ|terms|"), rows, width)]
    lines += closing(split, [value for _, value in terms], len(split.parts) - len(terms))
    lines += ["", "by kind of part:"]
    lines += table(None, [(value, KINDS[kind], "") for kind, value in split.by_kind.items()], width)
    return "\n".join([*lines, "", *wrapped(HONESTLY, width, "")])


def token_heading(split: TokenSplit) -> str:
    """What is split: `the logit of “good” after “tasted” is 14.2 (probability 31.0 %).`"""
    after = f"after “{split.word}” (token {split.position})"
    if split.against is None:
        probability = percent(split.probability)
        return f"The logit of “{split.token}” {after} is {number(split.value)}, its probability {probability}."
    assert split.against_probability is not None
    return (
        f"The logit of “{split.token}” less that of “{split.against}” {after} is {number(split.value)}; the "
        f"probabilities are {percent(split.probability)} and {percent(split.against_probability)}."
    )


@dataclass(frozen=True)
class Word:
    """A token of the vocabulary: its id, and its text as one reads it."""

    id: int
    text: str


def logits_at(trace: Trace, position: int) -> Tensor:
    """The logits after a position, `[vocab]` in float64. Raises `Error` where the model has none."""
    if "logits" not in trace:
        raise Error("the model predicts no tokens, so there is no logit to split; --score splits an attention score")
    return exact(trace["logits"].value[0, position])


def split_token(trace: Trace, position: int, word: str, token: Word, against: Word | None = None) -> TokenSplit:
    """The logit of a token after a position on which `word` stands: Σ over the parts of the stream, part·w[token].

    Raises `Error` where the model has no logits.
    """
    logits = logits_at(trace, position)
    probabilities = torch.softmax(logits, -1)
    call = trace["logits"].producer
    assert isinstance(call, CallRecord)
    stream, table, bias = (*call.inputs, None)[:3]
    assert stream is not None
    assert table is not None

    def difference(values: Tensor) -> Tensor:
        return exact(values[token.id]) - (0 if against is None else exact(values[against.id]))

    with unseen(), torch.no_grad():
        weight = difference(table.value)
        found = stream_at(trace, stream, position).mapped(lambda vectors: vectors @ weight[:, None])
        if bias is not None:
            found = found + Sum.of([(bias_of("head"), difference(bias.value)[None])])
        terms, value = found.vectors[:, 0], float(difference(logits))
        require_sum(f"the logit of {token.text!r}", float(terms.sum()), float(terms.abs().sum()), value)
    return TokenSplit(
        token.text, position, word, value, float(probabilities[token.id]), found.parts, terms,
        None if against is None else against.text, None if against is None else float(probabilities[against.id]),
    )  # fmt: skip
