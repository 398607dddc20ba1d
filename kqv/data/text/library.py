"""The library `tokenizers`, asked with care: files of somebody else can make it panic, or take gigabytes.

A panic of it is a `BaseException`, which `except Exception` lets pass, and it tells standard error before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tokenizers import Tokenizer as Library

from kqv.data.text.quiet import without_panics
from kqv.errors import DataError

MOST_GROWTH = 100_000
"""What the steps of a normaliser, say, may make of a character, all together: Llama's two make 4 at most."""

MOST_AROUND = 1_000
"""Tokens that may be put around a text; the library takes the square of it in time."""

_DOUBLING = ("ByteLevel", "NFKC", "NFKD")  # a sign of two bytes becomes two signs, of two bytes each

UNREADABLE = "this is not a tokenizer that `tokenizers` can read"


def read_library(content: str) -> Library:
    """A tokenizer of the library from its JSON; `DataError` where it does not take it, and for ids that do not count
    the tokens: it would make a table as long as the largest one. It neither cuts texts nor fills them up, whatever the
    file says."""
    for number in _ids_in(content):
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(content):
            raise DataError(f"{UNREADABLE}: a token has the id {number!r:.40}, but ids count the tokens from 0")
    _require_bounded(content)
    with answering(UNREADABLE):
        library = Library.from_str(content)
        library.no_truncation()
        library.no_padding()
        return library


@contextmanager
def answering(what: str) -> Iterator[None]:
    """Whatever the library raises inside the `with`, its panics too, as `DataError`: `what` is wrong, and why."""
    try:
        with without_panics():
            yield
    except DataError:
        raise
    except Exception as failure:  # the library raises nothing narrower
        raise DataError(f"{what}: {_line(failure)}") from None
    except BaseException as failure:
        if type(failure).__name__ != "PanicException":  # of pyo3, which gives it no place to be imported from
            raise
        raise DataError(f"{what}: {_line(failure)}") from None


def require_known(ids: Iterable[int], size: int) -> None:
    """Raise `DataError` for an id past the vocabulary's: what a file puts around a text may have any."""
    wrong = next((number for number in ids if not 0 <= number < size), None)
    if wrong is not None:
        raise DataError(f"the tokenizer puts the id {wrong} around a text, but its {size:,} tokens end at {size - 1:,}")


def _line(failure: BaseException) -> str:
    return next(iter(str(failure).strip().splitlines()), type(failure).__name__)[:200]


def _ids_in(content: str) -> Iterator[Any]:
    """All ids that a file gives to tokens; nothing of one that is no JSON, of which the library says so."""
    try:
        found = json.loads(content)
        model, added = found["model"], found.get("added_tokens") or []
        vocabulary = model.get("vocab", {})
        yield from (token.get("id", 0) for token in added)
        yield from vocabulary.values() if isinstance(vocabulary, dict) else ()
        yield model.get("unk_id") or 0
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return


def _require_bounded(content: str) -> None:
    """Raise `DataError` for steps that would make gigabytes of a line, each by itself or one after the other."""
    for part in ("normalizer", "pre_tokenizer", "decoder"):
        growth = 1
        for step in _steps_of(content, part):
            added = max(
                (len(step[name]) for name in ("content", "prepend") if isinstance(step.get(name), str)), default=0
            )
            growth *= 2 if step.get("type") in _DOUBLING else 1 + added
            if growth > MOST_GROWTH:
                raise DataError(f"{UNREADABLE}: its {part} makes more than {MOST_GROWTH:,} characters of one")
    for step in _steps_of(content, "post_processor"):
        if any(isinstance(step.get(name), list) and len(step[name]) > MOST_AROUND for name in ("single", "pair")):
            raise DataError(f"{UNREADABLE}: it puts more than {MOST_AROUND:,} tokens around a text")


def _steps_of(content: str, part: str) -> Iterator[dict[str, Any]]:
    """The steps of a part, in their order; nothing of a file that is damaged."""
    try:
        left = [json.loads(content).get(part) or {}]
        while left:
            step = left.pop()
            if step.get("type") == "Sequence":
                for name in ("normalizers", "pretokenizers", "decoders", "processors"):
                    left += step.get(name, [])
            else:
                yield step
    except (ValueError, TypeError, AttributeError, RecursionError):
        return
