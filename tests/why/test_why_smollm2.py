"""Why "it" looks at "pizza" in a published model of 30 blocks, where its file is to be had."""

from __future__ import annotations

import pytest

from kqv.data.registry import SOURCES
from kqv.data.sources import find
from kqv.interchange.gguf import read
from kqv.systems.gpt.passage import passage_of
from kqv.why.why import Why

FILE = find(SOURCES["smollm2"], SOURCES["smollm2"].files[0])
pytestmark = pytest.mark.skipif(FILE is None, reason="needs the file of the source smollm2 (kqv data fetch smollm2)")

CELL = "blocks.13.attention.scores[0,8,it,pizza]"


@pytest.fixture(scope="module")
def why() -> Why:
    assert FILE is not None
    model, tokenizer = read(FILE)
    assert tokenizer is not None
    return Why(passage_of(model.eval(), tokenizer, "The pizza came out of the oven and it tasted good."))


def test_the_strongest_score_is_the_sum_of_its_parts(why: Why) -> None:
    first = why.strongest("it", "pizza")[0]
    assert (first.module, first.head) == ("blocks.13.attention", 8)
    split = why.score(CELL)
    assert split.cell == first.cell
    assert len(split.query_parts) == len(split.key_parts) == 1 + 13 * (9 + 1)
    assert abs(split.sum - split.value) < 1e-5 * split.size


def test_it_depends_on_one_part_and_not_on_another(why: Why) -> None:
    before = why.score_and_weight(CELL)["weight"]
    assert why.without("block 0 feed-forward").score_and_weight(CELL)["weight"] < before / 2
    assert why.without("block 1 head 0").score_and_weight(CELL)["weight"] == pytest.approx(before, rel=0.1)
    later = why.without("block 20 feed-forward").score_and_weight(CELL)
    assert later["weight"] == pytest.approx(before)  # it stands behind


def test_a_token_is_the_sum_of_what_was_written(why: Why) -> None:
    split = why.token("good", after="tasted", against="bad")
    assert abs(split.sum - split.value) < 1e-5 * split.size
    assert split.value > 0
