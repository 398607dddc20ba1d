"""What a view asks by messages, and the answers: as JSON, with raw numbers beside it, or one line that says why not."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError, validate_call

from kqv.errors import Error
from kqv.trace.views.described import finite

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Numbers:
    """Raw little-endian float32 numbers as an answer."""

    content: bytes


Questions = Mapping[str, Callable[..., Any]]
"""By name, what answers a question with what it asks for as keywords."""


def answer(questions: Questions, asked: Any) -> tuple[dict[str, Any], list[bytes]] | None:
    """The message that answers a message, and what is sent beside it; None for one that is no question."""
    if not isinstance(asked, dict) or not isinstance(asked.get("ask"), str):
        return None
    said: dict[str, Any] = {"answer": asked["ask"]}
    try:
        found = _found(questions, asked.get("about"), asked.get("query"))
    except Error as failure:
        return said | {"error": str(failure)}, []
    except Exception as failure:  # a view must not wait for ever
        _log.exception("a view's question could not be answered")
        return said | {"error": f"this could not be answered: {type(failure).__name__}: {failure}"}, []
    if isinstance(found, Numbers):
        return said | {"content": None}, [found.content]
    return said | {"content": jsonable(found)}, []


def _found(questions: Questions, about: Any, query: Any) -> Any:
    if about not in questions:
        raise Error(f"there is no question {about!r} here; there are: {', '.join(questions)}")
    if not isinstance(query, dict):
        raise Error(f"cannot read what is asked of {about!r}; expected names with values")
    try:
        return validate_call(questions[about])(**query)
    except ValidationError as failure:
        first = failure.errors()[0]
        raise Error(
            f"cannot read what is asked of {about!r}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from None


def jsonable(found: Any) -> Any:
    """The same without numbers that JSON has not: "∞", "NaN" as words."""
    if isinstance(found, float):
        return found if math.isfinite(found) else finite(found)
    if isinstance(found, dict):
        return {name: jsonable(value) for name, value in found.items()}
    return [jsonable(value) for value in found] if isinstance(found, list | tuple) else found
