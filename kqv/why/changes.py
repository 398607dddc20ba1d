"""Changes to a pass: a part's output replaced, a key hidden from a query. What then differs depends on that part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from kqv.errors import Error
from kqv.models.attention import Attention
from kqv.operations import mask
from kqv.why.passage import Passage
from kqv.why.targets import Target


class Change(Protocol):
    """A change to a model that lasts as long as the `with`; `words` say what it is."""

    @property
    def words(self) -> str: ...

    def applied(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True)
class At:
    """Where a part is changed: the positions of a word."""

    word: str
    positions: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Replaced:
    """A part that gives something else; `at`: only there, else at every position. Positions before the first changed
    one are computed as ever where a mask lets none see later ones."""

    target: Target
    what: str
    new: Callable[[Tensor], Tensor]
    at: At | None = None

    @property
    def words(self) -> str:
        """`without block 5 head 3 at “it”`."""
        return self.what if self.at is None else f"{self.what} at “{self.at.word}”"

    @contextmanager
    def applied(self) -> Iterator[None]:
        """With the hook that replaces the part's output."""
        handle = self.target.hooked(self._changed)
        try:
            yield
        finally:
            handle.remove()

    def _changed(self, given: Tensor) -> Tensor:
        new = self.new(given)
        if self.at is None:
            return new
        kept = given.clone()
        positions = list(self.at.positions)
        kept[..., positions, :] = new[..., positions, :]
        return kept


def without(target: Target, at: At | None = None) -> Replaced:
    """A part that gives nothing: 0."""
    return Replaced(target, f"without {target.part.words}", torch.zeros_like, at)


def averaged(target: Target, at: At | None = None) -> Replaced:
    """A part that gives every position the mean of what it gives to all positions of this text."""

    def mean(given: Tensor) -> Tensor:
        return given.mean(-2, keepdim=True).expand_as(given)

    return Replaced(target, f"with the mean of {target.part.words}", mean, at)


def taken_from(target: Target, other: Passage, text: str, at: At | None = None) -> Replaced:
    """A part that gives what it gives in another text, position by position; beyond that text's end, its own.

    Raises `Error` where `at` lies there.
    """
    seen = output_in(target, other)
    length = seen.shape[-2]
    if at is not None and max(at.positions) >= length:
        last = max(at.positions)
        raise Error(f"the text {text!r} has {length} positions, so there is nothing at position {last} to take")

    def taken(given: Tensor) -> Tensor:
        found = given.clone()
        both = min(length, given.shape[-2])
        found[..., :both, :] = seen[..., :both, :]
        return found

    return Replaced(target, f"with {target.part.words} as in {text!r}", taken, at)


def output_in(target: Target, passage: Passage) -> Tensor:
    """What a part gives in a pass."""
    seen: list[Tensor] = []

    def look(given: Tensor) -> Tensor:
        seen.append(given.clone())
        return given

    handle = target.hooked(look)
    try:
        with torch.no_grad():
            passage.model(*passage.inputs)
    finally:
        handle.remove()
    return seen[-1]


@dataclass(frozen=True, eq=False)
class Pair:
    """A query and a key in one attention: in one head, or None for all of them."""

    attention: Attention
    head: int | None
    query: int
    key: int


@dataclass(frozen=True, eq=False)
class Hidden:
    """Keys that queries do not see."""

    pairs: tuple[Pair, ...]
    words: str

    @contextmanager
    def applied(self) -> Iterator[None]:
        """With the score set to −∞ before it becomes a weight; the query's other weights then sum to one."""
        with ExitStack() as stack:
            for pair in self.pairs:
                stack.enter_context(_hidden(pair))
            yield


@contextmanager
def _hidden(pair: Pair) -> Iterator[None]:
    """One key hidden from one query: what makes weights of scores gets −∞ there."""
    attention, head = pair.attention, pair.head
    normalise: Any = attention.normalise
    fused = attention.can_be_fused

    def hidden(scores: Tensor) -> Tensor:
        allowed = torch.ones(scores.shape[1:], dtype=torch.bool, device=scores.device)
        allowed.view(-1, *allowed.shape[-2:])[slice(None) if head is None else head, pair.query, pair.key] = False
        return mask(scores, allowed)

    attention.can_be_fused = False  # the fused operation has no step between scores and weights
    handle = None
    if isinstance(normalise, nn.Module):
        handle = normalise.register_forward_pre_hook(lambda module, given: (hidden(given[0]), *given[1:]))
    else:
        attention.normalise = lambda scores: normalise(hidden(scores))
    try:
        yield
    finally:
        attention.can_be_fused = fused
        if handle is None:
            attention.normalise = normalise
        else:
            handle.remove()
