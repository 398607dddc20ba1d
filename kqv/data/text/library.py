"""The library `tokenizers`, asked with care: files of somebody else can make it panic, or take gigabytes.

A panic of it is a `BaseException`, which `except Exception` lets pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tokenizers import Tokenizer as Library

from kqv.errors import DataError

UNREADABLE = "this is not a tokenizer that `tokenizers` can read"


def read_library(content: str) -> Library:
    """A tokenizer of the library from its JSON; `DataError` where it does not take it, and for ids that do not count
    the tokens: it would make a table as long as the largest one."""
    for number in _ids_in(content):
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(content):
            raise DataError(f"{UNREADABLE}: a token has the id {number!r:.40}, but ids count the tokens from 0")
    with answering(UNREADABLE):
        return Library.from_str(content)


@contextmanager
def answering(what: str) -> Iterator[None]:
    """Whatever the library raises inside the `with`, its panics too, as `DataError`: `what` is wrong, and why."""
    try:
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
