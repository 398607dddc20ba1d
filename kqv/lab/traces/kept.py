"""The traces that a server keeps: made one at a time, few enough and small enough to stay in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from kqv.errors import TraceError
from kqv.systems.system import Traced
from kqv.trace.memory import storages_of
from kqv.trace.trace import Trace

Made = TypeVar("Made")

MOST = 8
MOST_BYTES = 2_000_000_000


@dataclass(frozen=True, eq=False)
class KeptTrace:
    """A trace that can be asked for by its `id`. `asked`: what it was made from, so that it can be made again."""

    id: str
    traced: Traced
    asked: Hashable | None
    storages: dict[int, int]
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def trace(self) -> Trace:
        """The trace itself."""
        return self.traced.trace

    @property
    def size(self) -> int:
        """How much memory it holds."""
        return sum(self.storages.values())


class Traces:
    """Traces by their ids.

        kept = lab.traces.record(lambda: kind.trace(source, asked, Watcher()))
        lab.traces[kept.id].trace["logits"]

    One is made at a time: a trace switches the mode of its model, so `make` has to work on a copy of a model that
    others use. The oldest are dropped when there are more than `most`, or when together they take more than
    `most_bytes`, what several share counted once; the newest always stays.
    """

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self.most, self.most_bytes = most, most_bytes
        self._kept: OrderedDict[str, KeptTrace] = OrderedDict()
        self._numbers = count(1)
        self._making, self._changing = threading.Lock(), threading.Lock()

    def record(
        self, make: Callable[[], Traced], asked: Hashable | None = None, about: dict[str, Any] | None = None
    ) -> KeptTrace:
        """Make a trace and keep it; one that was `asked` for in the same words before is given again.

        `about`: what else its page should know, as plain data.
        """
        with self._making:
            known = self._same(asked)
            if known is not None:
                return known
            traced = make()
            with self._changing:
                kept = KeptTrace(str(next(self._numbers)), traced, asked, storages_of(traced.trace), about or {})
                self._kept[kept.id] = kept
                self._drop_the_oldest()
            return kept

    def alone(self, make: Callable[[], Made]) -> Made:
        """Make what is not kept here while no trace is made."""
        with self._making:
            return make()

    def _same(self, asked: Hashable | None) -> KeptTrace | None:
        with self._changing:
            for kept in reversed(self._kept.values()):
                if asked is not None and kept.asked == asked:
                    self._kept.move_to_end(kept.id)
                    return kept
        return None

    def _drop_the_oldest(self) -> None:
        while len(self._kept) > 1 and (len(self._kept) > self.most or self._bytes() > self.most_bytes):
            self._kept.popitem(last=False)

    def _bytes(self) -> int:
        return sum({at: size for kept in self._kept.values() for at, size in kept.storages.items()}.values())

    def find(self, asked: Hashable) -> KeptTrace | None:
        """The trace that was asked for in these words, if it is still here."""
        return self._same(asked)

    def __getitem__(self, identity: str) -> KeptTrace:
        """The trace of that id; `TraceError` that says what to do where it was dropped, or never was."""
        with self._changing:
            kept = self._kept.get(identity)
            if kept is None:
                here = ", ".join(self._kept) or "none"
                raise TraceError(
                    f"there is no trace {identity!r} here (here: {here}): the oldest are dropped to save memory; "
                    "make it again from its input"
                )
            self._kept.move_to_end(identity)
            return kept

    def __iter__(self) -> Iterator[KeptTrace]:
        with self._changing:
            return iter(list(self._kept.values()))

    def __len__(self) -> int:
        return len(self._kept)
