"""Why, in a page: a score or a token's logit split, and the pass with parts changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kqv.errors import Error
from kqv.why.parts import Part
from kqv.why.score import ScoreSplit
from kqv.why.token import TokenSplit, Word
from kqv.why.why import Where, Why

KEPT = 2
LARGEST = 40
"""So many parts or terms are sent; the others as one number."""


@dataclass(frozen=True)
class Question:
    """What is asked: the score at a `cell`, or else the logit of a `token` (None: the likeliest) after a `position`
    (None: the last); `against` is another key or another token. Words stand for positions and for tokens' ids."""

    cell: str | None = None
    position: Where | None = None
    token: int | str | None = None
    against: int | str | None = None


@dataclass(frozen=True)
class Change:
    """A part that gives nothing, its `mean`, or what it gives in another `text`; or the key at a position hidden from
    the query at one, in a part (None: in every attention)."""

    how: Literal["without", "mean", "taken", "hide"]
    part: str | None = None
    text: str | None = None
    query: int | None = None
    key: int | None = None


class Whys:
    """The passes that were asked about last; each is computed once."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, Why] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: Hashable, make: Callable[[], Why]) -> Why:
        """The pass of that key, made where it is not there."""
        with self._lock:
            if key not in self._known:
                self._known[key] = make()
            self._known.move_to_end(key)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            return self._known[key]

    def answer(self, why: Why, question: Question) -> dict[str, Any]:
        """`split_as_dict`, one at a time."""
        with self._lock:  # a change hooks the model, and a pass of another request would see it
            return split_as_dict(why, question)

    def changed(self, why: Why, question: Question, changes: Sequence[Change]) -> dict[str, Any]:
        """`changed_as_dict`, one at a time."""
        with self._lock:
            return changed_as_dict(why, question, changes)

    def tested(self, why: Why, question: Question, most: int) -> list[dict[str, Any]]:
        """`tested_as_dicts`, one at a time."""
        with self._lock:
            return tested_as_dicts(why, question, most)


def split_as_dict(why: Why, question: Question) -> dict[str, Any]:
    """The split of what is asked for, the largest parts first, and how its pass was changed. Raises `Error` as
    `Why.score` and `Why.token`."""
    of_pass = {"pass": [change.words for change in why.changes]}
    if question.cell is not None:
        return score_as_dict(why.score(question.cell, question.against)) | of_pass
    return token_as_dict(why.token(*_tokens(why, question))) | of_pass


def changed_as_dict(why: Why, question: Question, changes: Sequence[Change]) -> dict[str, Any]:
    """The number as it is and in the pass with all changes together."""
    other = with_changes(why, changes)
    how = [change.words for change in other.changes[len(why.changes) :]]
    return {"how": how, "before": _measured(why, question), "after": _measured(other, question, why)}


def tested_as_dicts(why: Why, question: Question, most: int) -> list[dict[str, Any]]:
    """The largest parts, each taken out by itself: what the split says beside what becomes of the number."""
    if question.cell is not None:
        rows = why.test_score(question.cell, question.against, most)
    else:
        rows = why.test_token(*_tokens(why, question), most)
    return [row.as_dict() for row in rows]


def with_changes(why: Why, changes: Sequence[Change]) -> Why:
    """The pass with all of them. Raises `Error` for a change that cannot be made."""
    for change in changes:
        why = _applied(why, change)
    return why


def _applied(why: Why, change: Change) -> Why:
    if change.how == "hide":
        if change.query is None or change.key is None:
            raise Error("to hide a key, say whose: a query and a key")
        return why.hidden(change.query, change.key, change.part)
    if change.part is None:
        raise Error("say which part is to be changed")
    if change.how == "taken":
        if not change.text:
            raise Error("say from which text the part's output is to be taken")
        return why.taken(change.part, change.text)
    return why.without(change.part) if change.how == "without" else why.mean(change.part)


def _tokens(why: Why, question: Question) -> tuple[Word, Where | None, Word | None]:
    """The token that is asked for, after which position, and the one that it is compared with."""
    against = None if question.against is None else _token(why, question.against, question.position)
    return _token(why, question.token, question.position), question.position, against


def _token(why: Why, asked: int | str | None, position: Where | None) -> Word:
    return why.token_of(asked) if isinstance(asked, int) else why.word(asked, position)


def _measured(why: Why, question: Question, asked: Why | None = None) -> dict[str, float]:
    """What is asked for as numbers of a pass; the token is that of the pass that was `asked`."""
    if question.cell is not None:
        return why.score_and_weight(question.cell, question.against)
    token, position, against = _tokens(asked or why, question)
    return why.logit_and_probability(token, position, against)


def score_as_dict(split: ScoreSplit) -> dict[str, Any]:
    """A score's split: each side by itself, the parts, and the terms of the largest parts as a table."""
    sides = {"query": split.of_query, "key": split.of_key, "part": split.of_part}
    largest = [
        {"query": pair.query.as_dict(), "key": pair.key.as_dict(), "value": pair.value}
        for pair in split.largest(LARGEST)
    ]
    return {
        "of": "score", "cell": split.cell, "module": split.module, "head": split.head, "query": split.query,
        "key": split.key, "query_word": split.query_word, "key_word": split.key_word, "against": split.against,
        "value": split.value, "weight": split.weight, "sum": split.sum, "sum_of_sizes": split.size,
        "terms": int(split.terms.numel()), "largest": largest,
        **{f"of_{side}": _rows(parts) for side, parts in sides.items()},
    }  # fmt: skip


def token_as_dict(split: TokenSplit) -> dict[str, Any]:
    """A token's split: what each part wrote, and each kind of parts together."""
    return {
        "of": "token", "token": split.token, "position": split.position, "word": split.word, "value": split.value,
        "probability": split.probability, "against": split.against, "against_probability": split.against_probability,
        "sum": split.sum, "sum_of_sizes": split.size, "terms": len(split.parts), "by_kind": split.by_kind,
        "of_part": _rows(split.largest(len(split.parts))),
    }  # fmt: skip


def _rows(parts: Sequence[tuple[Part, float]]) -> list[dict[str, Any]]:
    """The largest parts with what they give; all others are one number, which is the rest."""
    rows: list[dict[str, Any]] = [part.as_dict() | {"value": value} for part, value in parts[:LARGEST]]
    if len(parts) > LARGEST:
        rows.append(
            {"part": "", "words": "", "kind": "other", "value": sum(value for _, value in parts[LARGEST:]),
             "others": len(parts) - LARGEST}
        )  # fmt: skip
    return rows
