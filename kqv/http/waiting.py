"""Ends connections on which nothing comes, so that those who only hold them leave room for those who ask."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Protocol
from weakref import WeakKeyDictionary

HEAD = 10.0
"""Seconds in which the head of a request has to come, from the connection's begin or from the answer before."""

TAKING = 90.0
"""Seconds in which a client has to take something of what it is sent."""

CROWDED = 0.75
"""Where so much of all connections is taken, those that wait the longest end at once."""


class Connection(Protocol):
    """What is looked at of uvicorn's connections: `cycle` is the request that is answered, None before the first."""

    cycle: Any
    transport: Any


class Waiting:
    """Since when each of a server's connections, `most` at once, has been as it is."""

    def __init__(self, most: int) -> None:
        self.room = int(CROWDED * most)
        self._since: WeakKeyDictionary[Connection, tuple[object, float]] = WeakKeyDictionary()

    def look(self, connections: Iterable[Connection], now: float | None = None) -> None:
        """End those that have waited too long: for a request, or to be sent what nobody takes. Bytes that trickle in
        make no difference."""
        now, known = time.monotonic() if now is None else now, list(connections)
        idle: list[tuple[float, Connection]] = []
        for connection in known:
            unsent = connection.transport.get_write_buffer_size()
            is_idle = connection.cycle is None or connection.cycle.response_complete
            state = connection.cycle, is_idle, unsent
            before, since = self._since.get(connection, (None, now))
            since = since if state == before else now
            self._since[connection] = state, since
            if unsent and now - since > TAKING:
                connection.transport.abort()
            elif is_idle and not unsent:
                idle.append((since, connection))
        crowd = len(known) - self.room
        for rank, (since, connection) in enumerate(sorted(idle, key=lambda one: one[0])):
            if now - since > HEAD or rank < crowd:
                connection.transport.close()
