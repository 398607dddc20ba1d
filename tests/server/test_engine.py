"""The engine: many requests at once, each as if it were alone; what fails, leaves or waits."""

from __future__ import annotations

import queue
from typing import Any

import pytest
import torch
from serving import Small

from kqv.generation.sampling import Sampling
from kqv.server.engine import Engine, Full
from kqv.server.jobs import Asked, Done, Event, Failed, Piece, PromptScored
from kqv.server.settings import Limits

SECONDS = 60


class Heard:
    """What an engine tells of one request."""

    def __init__(self, engine: Engine, **asked: Any) -> None:
        ids = (5, 6, 7)
        self.events: queue.Queue[Event] = queue.Queue()
        self.job = engine.submit(
            Asked(**{"ids": ids, "tokens": 6, "sampling": Sampling(), "seed": 1, **asked}), self.events.put
        )

    def all(self) -> list[Event]:
        """Everything up to the end."""
        found = [self.events.get(timeout=SECONDS)]
        while not isinstance(found[-1], Done | Failed):
            found.append(self.events.get(timeout=SECONDS))
        return found

    def text(self) -> str:
        return "".join(event.text for event in self.all() if isinstance(event, Piece))


def engine_of(small: Small, **limits: Any) -> Engine:
    return Engine(small.model, small.tokenizer, Limits(**limits))


@pytest.mark.parametrize("texts", [1, 3, 32])
def test_however_many_go_together_each_says_the_same(small: Small, texts: int) -> None:
    engine = engine_of(small, texts=texts).start()
    asked = [Heard(engine, ids=tuple(range(1, 2 + 7 * n)), seed=n, tokens=12) for n in range(7)]
    found = [one.text() for one in asked]
    again = [Heard(engine, ids=tuple(range(1, 2 + 7 * n)), seed=n, tokens=12).text() for n in range(7)]
    engine.close()
    assert found == again


def test_a_small_cache_lets_them_in_one_after_another(small: Small) -> None:
    engine = engine_of(small, cache_bytes=1)
    assert engine.most_positions == 0
    asked = [Heard(engine, seed=n) for n in range(3)]
    engine.start()
    assert all(isinstance(one.all()[-1], Done) for one in asked)
    engine.close()


def test_too_many_that_wait_are_refused_and_who_leaves_makes_room(small: Small) -> None:
    engine = engine_of(small, waiting=2)
    first, second = Heard(engine), Heard(engine)
    with pytest.raises(Full):
        Heard(engine)
    engine.leave(first.job)
    third = Heard(engine)
    engine.start()
    assert isinstance(second.all()[-1], Done)
    assert isinstance(third.all()[-1], Done)
    assert first.events.empty()
    engine.close()


def test_no_tokens_are_scored_alone(small: Small) -> None:
    engine = engine_of(small).start()
    scored, done = Heard(engine, tokens=0, top=2, scores_prompt=True).all()
    engine.close()
    assert isinstance(scored, PromptScored)
    assert isinstance(done, Done)
    assert [one.token for one in scored.tokens] == [5, 6, 7]
    assert scored.tokens[0].log_probability is None
    with torch.no_grad():
        logs = torch.log_softmax(small.model(torch.tensor([[5, 6, 7]]))[0].double(), -1)
    assert scored.tokens[2].log_probability == pytest.approx(float(logs[1, 7]), abs=1e-5)


def test_a_failure_is_told_and_the_next_request_goes_well(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(small)
    with monkeypatch.context() as broken:
        broken.setattr(engine.together, "read", lambda *_, **__: 1 / 0)
        failing = Heard(engine)
        engine.start()
        failed = failing.all()[-1]
    assert isinstance(failed, Failed)
    assert failed.is_ours
    assert Heard(engine).text()
    engine.close()


def test_logits_that_are_no_numbers_are_said(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(small)
    monkeypatch.setattr(engine.together, "read", lambda text, every: (text.take(9), torch.full((1, 9), torch.nan))[1])
    failing = Heard(engine)
    engine.start()
    assert "no finite numbers" in failing.all()[-1].why  # type: ignore[union-attr]
    engine.close()


def test_a_closed_engine_says_so(small: Small) -> None:
    engine = engine_of(small)
    waiting = Heard(engine)
    engine.start()
    waiting.all()
    engine.close()
    assert isinstance(Heard(engine).all()[-1], Failed)
