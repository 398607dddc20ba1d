"""Connections on which nothing comes are ended; those on which something happens are left alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kqv.http.waiting import HEAD, TAKING, Waiting

ANSWERED, ANSWERING = SimpleNamespace(response_complete=True), SimpleNamespace(response_complete=False)


class Fake:
    """A connection as uvicorn has it, and its own transport."""

    def __init__(self, cycle: object = None, unsent: int = 0) -> None:
        self.cycle, self.unsent, self.ended = cycle, unsent, ""
        self.transport = self

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"


def looked(connection: Fake, until: float, most: int = 100) -> str:
    """How it ended when it was looked at every second."""
    waiting = Waiting(most)
    for second in range(int(until) + 1):
        waiting.look([connection], float(second))
    return connection.ended


@pytest.mark.parametrize("cycle", [None, ANSWERED], ids=["new", "answered"])
def test_who_asks_nothing_is_left_after_a_while(cycle: object) -> None:
    assert looked(Fake(cycle), HEAD) == ""
    assert looked(Fake(cycle), HEAD + 1) == "closed"


def test_what_is_computed_takes_as_long_as_it_does() -> None:
    assert looked(Fake(ANSWERING), 1000) == ""


@pytest.mark.parametrize("cycle", [ANSWERED, ANSWERING], ids=["all is said", "a stream"])
def test_who_takes_nothing_is_left(cycle: object) -> None:
    assert looked(Fake(cycle, unsent=500), TAKING) == ""
    assert looked(Fake(cycle, unsent=500), TAKING + 1) == "aborted"


def test_who_takes_a_little_or_asks_again_is_kept() -> None:
    slow, lively, waiting = Fake(ANSWERED, 10_000), Fake(ANSWERED), Waiting(100)
    for second in range(300):
        slow.unsent -= 1
        if second % 5 == 0:
            lively.cycle = SimpleNamespace(response_complete=True, number=second)
        waiting.look([slow, lively], float(second))
    assert (slow.ended, lively.ended) == ("", "")


def test_where_there_are_many_those_that_wait_the_longest_leave_room() -> None:
    waiting, old = Waiting(8), [Fake(), Fake(ANSWERING), Fake()]
    waiting.look(old, 0.0)
    new = [Fake() for _ in range(5)]
    waiting.look([*new, *old], 1.0)
    assert [one.ended for one in old] == ["closed", "", "closed"]
    assert not any(one.ended for one in new), "six of eight may stay"
