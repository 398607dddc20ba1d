"""A question of more variants than anybody trains is refused before they are made."""

from __future__ import annotations

import pytest

from kqv.errors import Error
from kqv.experiments.question import LONGEST_NAME, MOST_VARIANTS, make_question, slug, variants_of
from kqv.systems.system import system_named


def test_so_many_variants_are_refused_before_they_are_made() -> None:
    recipe = next(iter(system_named("digits").recipes.values()))()
    fields = ("learning_rate", "batch", "momentum", "clip", "steps", "seed")
    many = make_question({"system": "digits", "vary": {field: tuple(range(1, 5001)) for field in fields}})
    with pytest.raises(Error, match=rf"variants; at most {MOST_VARIANTS:,} are compared: vary fewer"):
        variants_of(many, {None: recipe})
    few = make_question({"system": "digits", "vary": {"batch": tuple(range(1, 31)), "learning_rate": (0.1, 0.2)}})
    assert len(variants_of(few, {None: recipe})) == 60


def test_a_long_name_makes_a_folder_s_name_all_the_same() -> None:
    for sign in ("x", "ä", "語"):
        names = [slug(sign * 300 + end) for end in ("a", "b")]
        assert names[0] != names[1]
        assert max(len(name.encode()) for name in names) <= LONGEST_NAME
    assert slug("score=dot") == "score-dot"
    assert slug("x" * LONGEST_NAME) == "x" * LONGEST_NAME
