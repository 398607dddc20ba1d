"""Traces that a server keeps: bounded, one at a time, and told apart by what was asked."""

from __future__ import annotations

import threading
import time

import pytest
from small_trace import trace_of_words

from kqv.errors import TraceError
from kqv.lab.traces.kept import Traces, storages_of
from kqv.systems.system import Traced


def test_the_oldest_are_dropped_and_their_loss_is_explained() -> None:
    traces, traced = Traces(most=2), trace_of_words()
    first, second = traces.record(lambda: traced), traces.record(lambda: traced)
    assert traces[first.id] is first  # now the second is the one that was not looked at for longest
    third = traces.record(lambda: traced)
    assert [kept.id for kept in traces] == [first.id, third.id]
    with pytest.raises(TraceError, match=f"no trace '{second.id}'.*make it again"):
        traces[second.id]


def test_memory_bounds_them_too_but_the_newest_stays() -> None:
    traced = trace_of_words()
    size = sum(storages_of(traced.trace).values())
    traces = Traces(most_bytes=2 * size)
    kept = [traces.record(trace_of_words) for _ in range(3)]
    assert [one.id for one in traces] == [kept[1].id, kept[2].id]
    assert len(Traces(most_bytes=1)) == 0
    small = Traces(most_bytes=1)
    assert small.record(lambda: traced).id in [one.id for one in small]


def test_memory_counts_weights_gradients_and_updates_once() -> None:
    trace = trace_of_words().trace
    model = trace.model
    assert model is not None
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    # weight before and after, gradient, two moments: at least; and not each view of them again
    assert 5 * weights < sum(storages_of(trace).values()) < 20 * weights


def test_the_same_question_gets_the_same_trace() -> None:
    traces, traced = Traces(), trace_of_words()
    first = traces.record(lambda: traced, asked=("model", "text"))
    assert traces.record(lambda: pytest.fail("made again"), asked=("model", "text")) is first
    assert traces.record(lambda: traced, asked=("model", "other")) is not first
    assert traces.record(lambda: traced) is not first


def test_one_is_made_at_a_time() -> None:
    traces, traced = Traces(), trace_of_words()
    now, most = 0, 0

    def make() -> Traced:
        nonlocal now, most
        now += 1
        most = max(most, now)
        time.sleep(0.02)
        now -= 1
        return traced

    threads = [threading.Thread(target=lambda: traces.record(make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert len(traces) == 4


def test_a_trace_that_fails_keeps_nothing_and_blocks_nobody() -> None:
    traces = Traces()
    with pytest.raises(ValueError, match="no such text"):
        traces.record(lambda: (_ for _ in ()).throw(ValueError("no such text")))
    assert len(traces) == 0
    traces.record(trace_of_words)
    assert len(traces) == 1
