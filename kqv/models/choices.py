"""Exchangeable parts by name: a table for each kind of part, to which one file may add one part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from kqv.errors import Error

T = TypeVar("T")
Part = TypeVar("Part")


class Choices(dict[str, T]):
    """The parts of one kind by name; `kind` is what messages call it."""

    def __init__(self, kind: str, parts: Mapping[str, T] | None = None) -> None:
        super().__init__(parts or {})
        self.kind = kind

    def add(self, name: str) -> Callable[[Part], Part]:
        """`@SCORES.add("dot")` above a class or function lets it be chosen by that name; `Error` for one taken."""

        def kept(part: Part) -> Part:
            if name in self:
                raise Error(f"there is a {self.kind} {name!r} already; choose another name")
            self[name] = part  # type: ignore[assignment]  # a decorator gives back the very class that it is given
            return part

        return kept

    def find(self, name: str) -> T:
        """A part by name; `Error` that lists the names for one that does not exist."""
        if name not in self:
            raise Error(f"there is no {self.kind} {name!r}; choose one of: {', '.join(self)}")
        return self[name]
