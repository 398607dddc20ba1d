"""A plan gives each name its attack, and says which names were left out."""

from __future__ import annotations

import time

from found import Plan

NAMES = ("one", "two", "three", "four")


def _tried(plan: Plan) -> dict[str, int]:
    found = {}
    for turn in plan.turns("kind", NAMES, "kill {}"):
        while turn.goes_on():
            turn.found.tried += 1
        found[turn.found.name] = turn.found.tried
    return found


def test_each_name_gets_its_attacks_and_one_in_any_case() -> None:
    assert _tried(Plan(3, 1, time.monotonic() + 60)) == {f"kill {name}": 3 for name in NAMES}
    assert _tried(Plan(3, 1, time.monotonic() - 1)) == {f"kill {name}": 1 for name in NAMES}


def test_a_name_whose_attacks_come_to_nothing_ends_too() -> None:
    for turn in Plan(3, 1, time.monotonic() - 1).turns("kind", NAMES):
        while turn.goes_on():
            pass
        assert turn.found.tried == 0


def test_where_few_names_are_tried_the_others_are_told_and_each_has_its_seeds() -> None:
    chosen = set()
    for seed in range(40):
        plan = Plan(1, seed, time.monotonic() + 60, names=1)
        (name,) = _tried(plan)
        assert {name, *plan.left_out} == {f"kill {one}" for one in NAMES}
        assert list(_tried(Plan(1, seed, time.monotonic() + 60, names=1))) == [name]
        chosen.add(name)
    assert len(chosen) == len(NAMES)
