"""What queries see of keys as operators of ONNX: the masks by name, and no padding."""

from __future__ import annotations

from collections.abc import Callable

import torch

from kqv.errors import Error
from kqv.interchange.onnx_attention import UNSEEN, Seen
from kqv.interchange.onnx_graph import Scope, form_of
from kqv.models.architecture import Architecture
from kqv.models.masks import nothing_to_keep, usual_window
from kqv.models.translator_architecture import TranslatorArchitecture

Chosen = Architecture | TranslatorArchitecture


def seen_by(at: Scope, chosen: Chosen, before: str, keys: str, present: str | None = None) -> Seen:
    """What each of the new positions, with so many `before` them, sees of all `keys` (`[1]` each): by the mask, and no
    padding, which `present[batch, key]` has as 0."""
    mask = form_of("mask", chosen.mask, MASKS)
    scalar = at.whole()
    end, one = at.add("Reshape", keys, scalar), at.add("Squeeze", at.whole(1))
    their = at.add("Range", at.add("Squeeze", at.whole(0)), end, one)
    own = at.add("Unsqueeze", at.add("Range", at.add("Reshape", before, scalar), end, one), at.whole(1))
    allowed = at.add("Unsqueeze", mask(at, chosen, own, their), at.whole(0, 1))
    if present is not None:
        allowed = at.add("And", allowed, _there(at, present))
    return _seen(at, allowed, keys, at.add("Cast", at.add("Abs", at.add("Sub", own, their)), to=torch.float32))


def seen_of_all(at: Scope, keys: str, present: str, distances: str | None = None) -> Seen:
    """What each position sees where it sees all `keys[1]` but padding, which `present[batch, key]` has as 0."""
    return _seen(at, _there(at, present), keys, distances)


def _there(at: Scope, present: str) -> str:
    return at.add("Unsqueeze", at.add("Cast", present, to=torch.bool), at.whole(1, 2))


def _seen(at: Scope, allowed: str, keys: str, distances: str | None) -> Seen:
    penalty = at.add("Where", allowed, at.number(0.0), at.number(UNSEEN), name="penalty")
    count = at.add("ReduceSum", at.add("Cast", allowed, to=torch.float32), at.whole(-1), keepdims=1)
    return Seen(penalty, at.add("Max", count, at.number(1.0)), keys, distances)


def _past(at: Scope, chosen: Chosen, own: str, their: str) -> str:
    return at.add("LessOrEqual", their, own)


def _window(at: Scope, chosen: Chosen, own: str, their: str) -> str:
    """The last `window` positions, the query's own among them."""
    first = at.add("Sub", own, at.whole(chosen.window or usual_window(chosen.context)))
    return at.add("And", _past(at, chosen, own, their), at.add("Greater", their, first))


def _sees_later(at: Scope, chosen: Chosen, own: str, their: str) -> str:
    raise Error(nothing_to_keep(chosen.mask))


MASKS: dict[str, Callable[[Scope, Chosen, str, str], str]] = {
    "past": _past, "window": _window, "none": _sees_later, "future": _sees_later,
}  # fmt: skip
"""Masks by name: of the positions of queries `[query, 1]` and keys `[key]`."""
