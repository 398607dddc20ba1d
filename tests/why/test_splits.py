"""Scores and logits of every architecture are the sums of their parts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from small_passages import GPTS, TRANSLATORS, WORDS, bert, gpt, passage, stirred, translator
from torch import Tensor, nn

from kqv.errors import Error, TraceError
from kqv.models.architecture import Architecture
from kqv.models.attention import Attention
from kqv.models.gpt import GPT
from kqv.models.heads import Heads
from kqv.models.scores import SCORES
from kqv.operations import matmul, multiply
from kqv.why.passage import Passage
from kqv.why.score import ScoreSplit
from kqv.why.why import Why

ALL: dict[str, Callable[[], Passage]] = {
    **{f"gpt: {name}": (lambda name=name: gpt(name)) for name in GPTS},  # type: ignore[misc]
    **{f"translator: {name}": (lambda name=name: translator(name)) for name in TRANSLATORS},  # type: ignore[misc]
    "bert": bert,
}


@pytest.fixture(scope="module", params=ALL, ids=str)
def why(request: pytest.FixtureRequest) -> Why:
    return Why(ALL[request.param]())


def attentions(why: Why) -> list[str]:
    return [name for name, module in why.passage.model.named_modules() if isinstance(module, Attention)]


def holds(split: ScoreSplit) -> None:
    assert abs(split.sum - split.value) <= 1e-10 * max(1.0, split.size)
    assert split.terms.shape == (len(split.query_parts), len(split.key_parts))
    names = [part.name for part in split.query_parts]
    assert len(set(names)) == len(names)


def test_every_score_is_the_sum_of_its_pairs_of_parts(why: Why) -> None:
    for module in attentions(why):
        scores = why.trace[f"{module}.scores"]
        for head in (0, 3):
            split = why.score(f"{module}.scores[0,{head},4,2]")
            holds(split)
            assert split.value == float(scores.value.reshape(-1, *scores.sizes[-2:])[head, 4, 2])


def test_a_difference_of_two_scores_is_a_sum_too(why: Why) -> None:
    module = attentions(why)[-1]
    words = why.passage.words(module, "key")
    split = why.score(f"{module}.scores[0,1,3,2]", against=words[1])
    holds(split)
    assert split.value == pytest.approx(
        why.score(f"{module}.scores[0,1,3,2]").value - why.score(f"{module}.scores[0,1,3,1]").value
    )


def test_every_logit_is_the_sum_of_what_was_written(why: Why) -> None:
    if why.passage.vocabulary is None:
        with pytest.raises(Error, match="predicts no tokens"):
            why.token("it")
        return
    split = why.token("good", after="came")
    logits = why.trace["logits"].value[0, 2]
    assert split.value == float(logits[WORDS.index("good")])
    assert abs(split.sum - split.value) <= 1e-10 * split.size
    assert split.probability == pytest.approx(float(torch.softmax(logits, -1)[WORDS.index("good")]))
    assert sum(split.by_kind.values()) == pytest.approx(split.sum)
    less = why.token("good", after="came", against="it")
    assert less.value == pytest.approx(split.value - float(logits[WORDS.index("it")]))
    assert abs(less.sum - less.value) <= 1e-10 * less.size


def test_parts_are_named_by_block_and_head() -> None:
    why = Why(gpt("gpt2"))
    split = why.score("blocks.1.attention.scores[0,0,it,pizza]")
    assert {part.words for part in split.query_parts} == {
        "token “it”", "position 5", *(f"block 0 head {head}" for head in range(4)), "block 0 attention bias",
        "block 0 feed-forward", "block 0 feed-forward bias", "block 1 attention norm bias",
        "block 1 attention query bias",
    }  # fmt: skip
    assert "token “pizza”" in {part.words for part in split.key_parts}
    crossing = Why(translator("post-norm")).score("decoder.blocks.1.cross_attention.scores[0,0,it,Pizza]")
    asking, asked = ({part.words for part in side} for side in (crossing.query_parts, crossing.key_parts))
    assert {"token “it”", "decoder block 0 cross-attention head 2", "decoder block 1 head 0"} <= asking
    assert {"token “Pizza”", "encoder block 1 head 3", "encoder block 0 feed-forward"} <= asked
    assert not any(words.startswith("decoder block 0") for words in asked)


def test_a_part_is_what_its_module_wrote() -> None:
    """The term of a part is its recorded output through norm and weights, computed here by hand."""
    why = Why(gpt("no positions"))
    model = why.passage.model
    assert isinstance(model, GPT)
    split = why.token("good", after="came")
    written = dict(zip((part.name for part in split.parts), split.terms.tolist(), strict=True))
    stream = why.trace["blocks.2.output"].value[0, 2]
    assert model.norm is not None
    factor = model.norm.weight / (stream.square().mean() + model.norm.epsilon).sqrt()
    fed = why.trace["blocks.1.feed_forward.output"].value[0, 2]
    direction = model.tokens.weight[WORDS.index("good")] * factor
    assert written["blocks.1.feed_forward"] == pytest.approx(float((fed @ direction).detach()))
    merged, projection = why.trace["blocks.2.attention.merged"].value[0, 2], model.blocks[2].attention.projection
    own = projection.weight[:, 6:12] @ merged[6:12]
    assert written["blocks.2.attention.1"] == pytest.approx(float((own @ direction).detach()))


def test_the_largest_terms_come_first_and_sides_sum_up() -> None:
    split = Why(gpt("qwen3, grouped")).score("blocks.2.attention.scores[0,3,it,pizza]")
    sizes = [abs(term.value) for term in split.largest(20)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == pytest.approx(float(split.terms.abs().max()))
    for side in (split.of_query, split.of_key):
        assert sum(value for _, value in side) == pytest.approx(split.sum)


class NormProduct:
    """(q·k)²: linear in neither."""

    def __init__(self, heads: Heads) -> None:
        self.dimensions = heads.pairs

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor:
        products = matmul(queries, keys.mT)
        return multiply(products, products)


class ByHead(nn.Module):
    """A factor of its own for each head: linear in both."""

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.arange(1.0, 1 + heads.count).view(-1, 1, 1))

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        products = matmul(queries, keys.mT)
        return multiply(products, self.factors.expand_as(products))


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, score in (("product squared", NormProduct), ("by head", ByHead)):
        monkeypatch.setitem(SCORES, name, score)


@pytest.mark.usefixtures("scores")
def test_a_score_that_is_not_linear_is_refused_by_name_and_can_be_tested_all_the_same() -> None:
    why = Why(gpt("gpt2", score="product squared"))
    with pytest.raises(Error, match=r"'product squared' of blocks\.1\.attention is not linear"):
        why.score("blocks.1.attention.scores[0,0,it,pizza]")
    cell = "blocks.1.attention.scores[0,0,it,pizza]"
    before = why.score_and_weight(cell)
    assert why.without("block 0 feed-forward").score_and_weight(cell)["score"] != before["score"]
    assert abs(why.token("good").sum - why.token("good").value) < 1e-10


@pytest.mark.usefixtures("scores")
def test_another_score_that_is_linear_is_split_as_it_is_computed() -> None:
    why = Why(gpt("gpt2", score="by head"))
    for head in range(4):
        holds(why.score(f"blocks.1.attention.scores[0,{head},it,pizza]"))


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("blocks.1.attention.weights[0,0,2,1]", "is no attention score"),
        ("blocks.1.output[0,0,1]", "is no attention score"),
        ("blocks.7.attention.scores[0,0,1,1]", "no tensor named"),
        ("blocks.1.attention.scores[0,4,1,1]", "not one element"),
        ("blocks.1.attention.scores[0,0,it,cake]", "no word 'cake'"),
    ],
)
def test_what_is_no_score_is_refused(cell: str, words: str) -> None:
    with pytest.raises(Error, match=words):
        Why(gpt("gpt2")).score(cell)


def test_words_that_are_no_tokens_are_refused() -> None:
    why = Why(gpt("gpt2"))
    with pytest.raises(Error, match="'cake' is not one token"):
        why.token("cake")
    with pytest.raises(TraceError, match="no word 'cake'"):
        why.token("it", after="cake")


def test_without_a_word_the_likeliest_token_after_the_last_is_split() -> None:
    why = Why(gpt("llama, grouped"))
    logits = why.trace["logits"].value[0, -1]
    assert why.token().token == WORDS[int(logits.argmax())]
    assert why.token().position == len(WORDS) - 1


def test_the_strongest_head_has_the_largest_weight() -> None:
    why = Why(gpt("llama, grouped"))
    rows = why.strongest("it", "pizza")
    assert len(rows) == 3 * 4
    assert rows == sorted(rows, key=lambda row: -row.weight)
    assert rows[0].weight == pytest.approx(why.score_and_weight(rows[0].cell)["weight"])
    crossing = Why(translator("pre-norm")).strongest("it", "Pizza")
    assert {row.module for row in crossing} == {f"decoder.blocks.{block}.cross_attention" for block in range(2)}


def test_the_model_of_a_float32_run_sums_within_rounding() -> None:
    why = Why(passage(stirred(GPT(len(WORDS), Architecture(context=16, width=24, heads=4, blocks=3))).float()))
    split = why.score("blocks.2.attention.scores[0,1,it,pizza]")
    assert 0 < abs(split.sum - split.value) < 1e-5 * split.size


LINEAR = {"dot", "negative", "reversed", "none"}


@pytest.mark.parametrize("scale", [None, "learned"])
@pytest.mark.parametrize("name", sorted(SCORES))
def test_a_score_by_any_name_is_split_or_refused(name: str, scale: str | None) -> None:
    why = Why(gpt("llama, grouped", score=name, scale=scale))
    cell = "blocks.2.attention.scores[0,3,it,pizza]"
    if name in LINEAR:
        holds(why.score(cell))
    else:
        with pytest.raises(Error, match=rf"'{name}' of blocks\.2\.attention is not linear"):
            why.score(cell)
    assert abs(why.token("good").sum - why.token("good").value) < 1e-10


@pytest.mark.parametrize(
    "parts",
    [{"positions": "alibi"}, {"norm": "none"}, {"residual": "none"}, {"mask": "window"}, {"normaliser": "sigmoid"}],
    ids=str,
)
def test_exchanged_parts_are_split_and_hidden_from(parts: dict[str, str]) -> None:
    why = Why(gpt("gpt2", **parts))
    holds(why.score("blocks.2.attention.scores[0,3,it,and]"))
    assert abs(why.token("good").sum - why.token("good").value) < 1e-10
    hidden = why.hidden("it", "and").score_and_weight("blocks.1.attention.scores[0,3,it,and]")
    assert hidden["weight"] == 0
