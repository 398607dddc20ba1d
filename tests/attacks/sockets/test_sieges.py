"""The attacks on served processes: every route is among the real requests, and what falls is seen."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from changed_requests import METHODS, _changed
from connections import wrong
from listeners import Answer
from real_requests import LAB, NOT_ASKED, SERVE

pytest.importorskip("fastapi", reason="the lab is not installed")


def test_every_route_of_the_lab_is_attacked() -> None:
    from kqv.lab.app import create_app
    from kqv.lab.settings import Settings

    paths = create_app(Settings(runs=Path("none"))).openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    asked = {f"{one.method} {one.route}" for one in LAB}
    assert asked <= routes
    assert routes - asked == set(NOT_ASKED)


def test_every_route_of_a_served_model_is_attacked() -> None:
    from kqv.server import chat, common, completions

    routers = (common.router, completions.router, chat.router)
    routes = {route.path for router in routers for route in router.routes}  # type: ignore[attr-defined]
    assert {one.route for one in SERVE} == routes


@pytest.mark.parametrize(("answer", "said"), [
    (Answer(500, b"oh", 0.1), "500"), (Answer(200, b"root:x:0:0", 0.1), "told too much"),
    (Answer(200, b"Traceback (most recent call last)", 0.1), "told too much"), (Answer(200, b"", 21.0), "it took 21 s"),
    (Answer(200, b"", 0.1), "200 in place of 403"),
])  # fmt: skip
def test_what_falls_is_seen(answer: Answer, said: str) -> None:
    assert said in wrong(answer, 403)


@pytest.mark.parametrize("status", [0, 403, 503])
def test_what_stands_is_seen(status: int) -> None:
    assert wrong(Answer(status, b"", 0.1), status) == ""


def test_the_same_chance_changes_the_same() -> None:
    made = {"LESSON": "1", "TEXT": "2", "SUM": "3"}
    found = [[_changed(one, made, Random(seed)) for one in (*LAB, *SERVE) for seed in range(9)] for _ in range(2)]
    assert found[0] == found[1]
    assert {one[0] for one in found[0]} <= set(METHODS)
    assert len({one[1:3] for one in found[0]}) > len(found[0]) // 3
