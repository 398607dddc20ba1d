"""The lessons of a lab: each page has one at a time, and the oldest are forgotten."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from threading import Lock

from kqv.errors import Error
from kqv.lab.digits.lesson import Lesson

MOST = 8


class Lessons:
    """Lessons by their ids, which nobody can guess."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._kept: OrderedDict[str, Lesson] = OrderedDict()
        self._lock = Lock()

    def keep(self, lesson: Lesson) -> str:
        """Keep a lesson; its id."""
        identity = secrets.token_hex(8)
        with self._lock:
            self._kept[identity] = lesson
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
        return identity

    def __getitem__(self, identity: str) -> Lesson:
        """The lesson of that id; `Error` that says what to do where it was forgotten."""
        with self._lock:
            if identity not in self._kept:
                raise Error("this lesson is over: the lab keeps the newest few; choose the network again")
            self._kept.move_to_end(identity)
            return self._kept[identity]
