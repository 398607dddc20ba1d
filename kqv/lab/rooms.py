"""What the rooms' routes have in common: a room that is opened when it is first asked for, and answers of numbers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from kqv.lab.state import Lab

Room = TypeVar("Room")

_opening = threading.RLock()
"""One room is opened at a time; a room may open another one that it stands on."""


class Named(BaseModel):
    """A run or a question by its name."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=300)


def opened(request: Request, name: str, make: Callable[[Lab], Room]) -> Room:
    """The lab's room of that name, made when it is first asked for; what it has to `close` is closed with the lab."""
    state = request.app.state
    with _opening:
        if not hasattr(state, name):
            room = make(state.lab)
            setattr(state, name, room)
            close = getattr(room, "close", None)
            if close is not None:
                state.lab.closing.append(close)
        found: Room = getattr(state, name)
        return found


def numbers(found: Any) -> Response:
    """An array as raw little-endian float32, its shape in the header `X-Sizes`."""
    content = np.ascontiguousarray(found, dtype="<f4")
    sizes = ",".join(map(str, content.shape))
    return Response(content.tobytes(), media_type="application/octet-stream", headers={"X-Sizes": sizes})
