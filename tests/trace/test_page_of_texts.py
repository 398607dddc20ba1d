"""The page of a text: its tokens, what each attends to, and squares that answer every click as Python does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browsing import needs_browser, report_of
from test_page import decoded, embedded

from kqv.arithmetic import number
from kqv.errors import TraceError
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.recording import note
from kqv.trace.trace import Trace
from kqv.trace.views.attention import attended, attentions
from kqv.trace.views.page import page_html, write_html
from kqv.trace.views.page.shown import LARGE_VOCABULARY, WHOLE_BLOCKS, top_tokens

TOKENS = ["The", "␣pizza", "␣came", "␣and", "␣it", "␣tasted", "␣good", "."]
FORMS: dict[str, dict[str, Any]] = {
    "two blocks": {"vocab": 40, "blocks": 2},
    "many blocks, shared keys, large vocabulary": {
        "vocab": 2000, "blocks": 7, "heads": 4, "key_heads": 2, "positions": "rotary", "norm": "rms",
        "feed_forward": "swiglu", "tied": True,
    },
    "a head of its own": {"vocab": 700, "blocks": 1, "tied": False},
}  # fmt: skip


def trace_of(vocab: int, blocks: int, tokens: list[str], heads: int = 2, **parts: Any) -> Trace:
    torch.manual_seed(7)
    model = GPT(vocab, Architecture(len(tokens) + 2, 16, heads=heads, blocks=blocks, **parts))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    ids = torch.randint(vocab, (1, len(tokens)))
    with Trace(model) as trace:
        model.loss(model(ids[:, :-1]), ids[:, 1:]).backward()
    for dimension in ("position", "query", "key"):
        trace.annotate(dimension=dimension, labels=tokens[:-1])
    trace.annotate("targets", dimension="position", labels=tokens[1:])
    trace.annotate(dimension="vocab", labels=[f"␣w{token}" for token in range(vocab)])
    return trace


@pytest.fixture(scope="module", params=FORMS)
def trace(request: pytest.FixtureRequest) -> Trace:
    return trace_of(tokens=TOKENS, **FORMS[request.param])


@pytest.fixture(scope="module")
def html(trace: Trace) -> str:
    return page_html(trace, cells=60, word="it")


def test_the_text_stands_with_all_its_tokens(trace: Trace, html: str) -> None:
    (text,) = embedded(html)["texts"]
    assert [*text["tokens"], text["next"]] == TOKENS
    assert text["start"] == TOKENS.index("␣it")
    assert [attention["tensor"] for attention in text["attentions"]] == [a.record.name for a in attentions(trace)]
    assert text["logits"] == "logits"


def test_attention_weights_are_the_recorded_ones(trace: Trace, html: str) -> None:
    tensors = {tensor["name"]: tensor for tensor in embedded(html)["tensors"]}
    for attention in attentions(trace):
        assert np.array_equal(decoded(tensors[attention.record.name]["value"]), attention.record.value.numpy())


def test_of_many_blocks_a_few_are_whole(trace: Trace, html: str) -> None:
    content = embedded(html)
    modules = {tensor["module"] for tensor in content["tensors"] if tensor["kind"] == "activation"}
    blocks = content["blocks"]
    assert len(blocks["whole"]) == min(len(blocks["all"]), WHOLE_BLOCKS if len(blocks["all"]) > 6 else 6)
    assert {block for block in blocks["all"] if f"{block}.feed_forward" in modules} == set(blocks["whole"])
    strongest = attended(trace, "it").varied(100)
    first = next(row.attention.module for row in strongest if row.keys.stop < row.query)
    assert first.removesuffix(".attention") in blocks["whole"]


def test_of_a_large_vocabulary_the_top_entries_stand(trace: Trace, html: str) -> None:
    logits = next(tensor for tensor in embedded(html)["tensors"] if tensor["name"] == "logits")
    value = trace["logits"].value
    if value.shape[-1] <= LARGE_VOCABULARY:
        assert logits["value"]["kept"] == list(value.shape)
        return
    tokens = logits["value"]["at"]["2"]
    assert tokens == top_tokens(value)
    assert set(value.argmax(-1).flatten().tolist()) <= set(tokens)
    assert np.array_equal(decoded(logits["value"]), value[:, :, tokens].numpy())
    assert {int(token) for token in logits["axis labels"]["vocab"]} == set(tokens)


def test_an_unknown_word_is_refused(trace: Trace, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="its tokens are: The ␣pizza"):
        write_html(trace, tmp_path / "page.html", word="pasta")
    assert not list(tmp_path.iterdir())


CLICKS = Path(__file__).with_name("clicks.js").read_text(encoding="utf-8")
WIDTH = Path(__file__).with_name("width.js").read_text(encoding="utf-8")
ALWAYS = ("products", "scores", "masked_scores", "weights", "mixed", "logits")


@needs_browser
def test_every_click_is_answered_as_promised(trace: Trace, html: str, tmp_path: Path) -> None:
    report, _ = report_of(html, CLICKS, tmp_path)
    assert report["errors"] == []
    assert len(report["clicks"]) > 100
    for click in report["clicks"]:
        cell = trace.read(click["cell"])
        assert click["value"] == number(trace.value(cell)), click
        assert click["promised"] == click["told"], click
        assert not click["bad"], click
        if click["name"].rpartition(".")[2] in ALWAYS and click["phase"] == "forward" and is_whole(html, click["name"]):
            assert click["told"], click
        if click.get("evaluated") is not None:
            explained = trace.explain(cell)
            assert float(click["evaluated"]) == pytest.approx(
                explained.evaluated, rel=1e-9, abs=explained.scale * 1e-12
            )
            described = explained.as_dict()
            assert click["numbers"] == [part["numbers"] for part in [described, *described["parts"]]], click
        else:
            assert click.get("missing") or trace.explain(cell).expression is None, click
    for bar in report["bars"]:
        assert (bar["told"], bar["promised"], bar["bad"]) == (True, True, False), bar
        assert bar["value"] == number(trace.value(trace.read(bar["cell"])))
    assert report["thumbs"] == sum(attention.heads for attention in attentions(trace))
    assert report["tokens"] == [token.lstrip("␣") for token in TOKENS]
    asked = {(bar["token"], bar["cell"].partition("[")[0]) for bar in report["bars"]}
    assert {token for token, _ in asked} == {"The", "it", "good"}
    assert any(name == "logits" for _, name in asked)


def is_whole(html: str, name: str) -> bool:
    """Whether a tensor stands in a block that the page shows whole, or outside of blocks."""
    blocks = embedded(html)["blocks"]
    others = set(blocks["all"]) - set(blocks["whole"])
    return not any(name.startswith(f"{block}.") for block in others) or name.endswith(".weights")


@needs_browser
def test_nothing_is_wider_than_a_phone(html: str, tmp_path: Path) -> None:
    report, _ = report_of(html, WIDTH, tmp_path, width=500)
    assert report["over"] == []


HOSTILE = [
    "</script><b>x</b>",
    "␣\u202eevil",
    "\x00\x1b[31m",
    "<img src=x onerror=alert(1)>",
    "a\u2028b",
    "&amp;",
    "ok",
]


@needs_browser
def test_hostile_tokens_are_text(tmp_path: Path) -> None:
    trace = trace_of(vocab=7, blocks=1, tokens=HOSTILE)
    trace.annotate(dimension="vocab", labels=HOSTILE)
    html = page_html(trace, command=f"kqv trace x {HOSTILE[0]}")
    report, dump = report_of(html, CLICKS, tmp_path)
    assert report["errors"] == []
    assert report["tokens"][:2] == ["</script><b>x</b>", "\\u202eevil"]
    assert report["tokens"][2] == "\\u0000\\u001b[31m"
    body = dump.split("<footer")[0]
    assert "<b>x</b>" not in body
    assert "<img" not in body
    assert "\u202e" not in body


def test_attention_without_words_makes_no_text() -> None:
    with Trace() as trace:
        note("weights", torch.softmax(torch.randn(1, 2, 3, 3), -1), "batch head query key")
    assert embedded(page_html(trace))["texts"] == []


@pytest.mark.parametrize(("tokens", "blocks", "heads"), [(50, 6, 4), (120, 8, 4), (400, 2, 8)])
def test_longer_texts_fit(tokens: int, blocks: int, heads: int) -> None:
    trace = trace_of(vocab=65, blocks=blocks, heads=heads, tokens=[f"␣t{number}" for number in range(tokens + 1)])
    html = page_html(trace)
    assert len(html.encode()) < 5_000_000
    content = embedded(html)
    weights = {tensor["name"]: tensor for tensor in content["tensors"] if tensor["name"].endswith(".weights")}
    assert weights
    for block in content["blocks"]["whole"]:
        stored = weights[f"{block}.attention.weights"]["value"]
        value = trace[f"{block}.attention.weights"].value
        assert stored["kept"][-1] == tokens  # a query's weights stand all of them or none
        queries = stored["at"]["2"] if "at" in stored else range(tokens)
        assert queries[-1] == tokens - 1  # of a long text the last ones
        assert np.array_equal(decoded(stored), value[:, :, list(queries)].numpy())
    if tokens == 50:
        assert len(weights) == blocks
        assert all("at" not in tensor["value"] for tensor in weights.values())
