"""Changed passes: what a change does, where it does nothing, and that the model is itself again afterwards."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_passages import WORDS, bert, gpt, translator
from torch import Tensor

from kqv.errors import Error, TraceError
from kqv.why.passage import Passage
from kqv.why.why import Why


def logits(why: Why) -> Tensor:
    return why.trace["logits"].value[0]


def plain(passage: Passage) -> Tensor:
    with torch.no_grad():
        found: Tensor = passage.model(*passage.inputs)[0]
    return found


@pytest.fixture(scope="module")
def why() -> Why:
    return Why(gpt("llama, grouped"))


CHANGES: dict[str, Any] = {
    "a head": lambda why, at: why.without("block 1 head 2", at),
    "an attention": lambda why, at: why.without("block 1 attention", at),
    "a feed-forward part": lambda why, at: why.mean("block 1 feed-forward", at),
    "the tokens": lambda why, at: why.taken("tokens", "it it it it it it it", at),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_at_one_word_leaves_earlier_positions_alone_and_the_model_as_it_was(why: Why, change: Any) -> None:
    before = logits(why)
    changed = logits(change(why, "and"))
    assert torch.equal(changed[:4], before[:4])
    assert (changed[4:] - before[4:]).abs().amax(-1).gt(1e-6).all()
    assert (logits(change(why, None)) - before).abs().amax(-1).gt(1e-6).all()
    assert torch.allclose(plain(why.passage), before, atol=1e-12)


def test_a_head_without_output_writes_nothing(why: Why) -> None:
    split = why.without("block 1 head 2").token("good")
    written = dict(zip((part.words for part in split.parts), split.terms.tolist(), strict=True))
    assert written["block 1 head 2"] == 0
    assert written["block 1 head 1"] != 0
    assert abs(split.sum - split.value) < 1e-10


def test_a_part_of_the_last_block_is_worth_what_the_split_says_where_no_norm_follows() -> None:
    """After the last block only the norm's factor changes: undone, the logit drops by the part's own term."""
    why = Why(gpt("no positions"))
    before, after = why.token("good"), why.without("block 2 feed-forward").token("good")
    term = dict(zip((part.words for part in before.parts), before.terms.tolist(), strict=True))["block 2 feed-forward"]
    stream = [one.trace["blocks.2.output"].value[0, -1] for one in (why, why.without("block 2 feed-forward"))]
    factors = [float((vector.square().mean() + 1e-5).rsqrt()) for vector in stream]
    assert after.value / factors[1] == pytest.approx((before.value - term) / factors[0])


def test_the_mean_is_that_over_the_positions(why: Why) -> None:
    own = why.trace["blocks.1.feed_forward.output"].value
    changed = why.mean("block 1 feed-forward")
    difference = changed.trace["blocks.1.output"].value - why.trace["blocks.1.output"].value
    assert torch.allclose(difference, own.mean(1, keepdim=True) - own, atol=1e-12)


def test_another_texts_output_stands_at_its_positions() -> None:
    why = Why(gpt("gpt2"))
    shorter = "good good pizza"
    changed = why.taken("positions", shorter).taken("tokens", shorter)
    seen = why.passage.another(shorter)
    assert torch.allclose(logits(changed)[:3], plain(seen), atol=1e-12)
    with pytest.raises(Error, match="has 3 positions"):
        why.taken("tokens", shorter, at="tasted")


def test_a_hidden_key_has_no_weight_in_the_heads_that_were_named(why: Why) -> None:
    def weight(of: Why, block: int, head: int) -> float:
        return of.score_and_weight(f"blocks.{block}.attention.scores[0,{head},it,pizza]")["weight"]

    everywhere = why.hidden("it", "pizza")
    assert all(weight(everywhere, block, head) == 0 for block in range(3) for head in range(4))
    one = why.hidden("it", "pizza", "block 1 head 2")
    assert weight(one, 1, 2) == 0
    assert weight(one, 1, 1) == weight(why, 1, 1)
    assert weight(one, 2, 2) != weight(why, 2, 2)
    assert torch.equal(logits(one)[:5], logits(why)[:5])
    sums = one.trace["blocks.1.attention.weights"].value.sum(-1)
    assert torch.allclose(sums, torch.ones_like(sums))
    assert torch.allclose(plain(why.passage), logits(why), atol=1e-12)


def test_what_is_not_seen_is_not_hidden(why: Why) -> None:
    with pytest.raises(Error, match="does not see 'it'"):
        why.hidden("pizza", "it")


def test_a_translator_is_changed_on_either_side() -> None:
    why = Why(translator("post-norm"))
    before = logits(why)
    for part in ("encoder block 0 head 1", "decoder block 1 cross-attention head 2", "decoder block 0 feed-forward"):
        assert not torch.allclose(logits(why.without(part)), before), part
    at = why.without("encoder block 0 feed-forward", at="Pizza")
    assert at.words == "without encoder block 0 feed-forward at “Pizza”"
    assert not torch.allclose(logits(at), before)
    hidden = why.hidden("it", "Pizza")
    assert torch.equal(logits(hidden)[:5], before[:5])
    assert not torch.allclose(logits(hidden)[5], before[5])


def test_changes_add_up_and_are_told(why: Why) -> None:
    both = why.without("block 0 head 1").mean("blocks.1.feed_forward", at="it")
    assert both.words == "without block 0 head 1, with the mean of block 1 feed-forward at “it”"
    assert not torch.allclose(logits(both), logits(why.without("block 0 head 1")))


def test_each_of_the_largest_parts_is_taken_out_by_itself(why: Why) -> None:
    cell = "blocks.1.attention.scores[0,2,it,pizza]"
    rows = why.test_score(cell, most=4)
    split = why.score(cell)
    assert [row.part.name for row in rows] == [part.name for part, _ in split.of_part][:4]  # nothing here has a bias
    for row in rows:
        assert row.before == split.value
        assert row.after == why.without(row.part.name).score_and_weight(cell)["score"]
    both = {part.name: value for part, value in split.of_part}
    at_query = [part.name for part in split.query_parts]
    kept = [number for number, name in enumerate(at_query) if name != "blocks.0.feed_forward"]
    less = split.terms[kept][:, kept].sum()  # query and key have the same parts here
    assert both["blocks.0.feed_forward"] == pytest.approx(split.sum - float(less))
    tokens = why.test_token("good", after="came", most=2)
    assert [row.in_split for row in tokens] == [value for _, value in why.token("good", after="came").largest(2)]


def test_the_token_of_a_changed_pass_is_that_of_the_pass_as_it_is(why: Why) -> None:
    changed = why.without("block 1 feed-forward")
    token = why.word(None)
    found = changed.logit_and_probability(token)
    assert found["logit"] == float(logits(changed)[-1, token.id])


def test_a_part_that_does_not_exist_is_refused_with_those_that_do(why: Why) -> None:
    with pytest.raises(Error, match=r"no part 'block 1 head 9'.*block 1 head 3"):
        why.without("block 1 head 9")
    with pytest.raises(Error, match="there is: block 2 attention, block 2 head 0"):
        why.without("block 2")
    with pytest.raises(Error, match=r"block 2 head 3\."):
        why.without("blocks.2.attention.7")
    with pytest.raises(Error, match="tokens, block 0 attention, block 0 head 0"):
        why.without("nonsense")
    assert "positions" not in why.parts()
    assert "positions" in Why(gpt("gpt2")).parts()
    assert len(Why(bert()).parts()) == 3 + 3 * 6
    assert WORDS[0] not in why.parts()


def test_positions_stand_for_words_and_ids_for_tokens() -> None:
    why = Why(gpt("gpt2"))
    assert torch.equal(why.token(why.token_of(2), 3).terms, why.token("came", "out").terms)
    cell = "blocks.1.attention.scores[0,2,5,1]"
    assert torch.equal(why.score(cell, 0).terms, why.score(cell, "the").terms)
    one, other = why.hidden(5, 1), why.hidden("it", "pizza")
    assert one.words == other.words
    assert one.score_and_weight(cell) == other.score_and_weight(cell)
    with pytest.raises(TraceError, match="no position 8"):
        why.token(None, 8)
    with pytest.raises(Error, match="no token 99"):
        why.token_of(99)
