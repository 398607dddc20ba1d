"""The page and the table of a published model of 30 blocks and 49,152 tokens, where its file is to be had."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from browsing import needs_browser, report_of
from test_page import decoded, embedded

from kqv.arithmetic import number
from kqv.data.registry import SOURCES
from kqv.data.sources import find
from kqv.interchange.gguf import read
from kqv.plots.attention import plot_attention
from kqv.systems.gpt.traced import trace_text
from kqv.trace.trace import Trace
from kqv.trace.views.attention import attended
from kqv.trace.views.page import page_html
from kqv.trace.views.words import visible

FILE = find(SOURCES["smollm2"], SOURCES["smollm2"].files[0])
pytestmark = pytest.mark.skipif(FILE is None, reason="needs the file of the source smollm2 (kqv data fetch smollm2)")

TEXT = "The pizza came out of the oven and it tasted good."


@pytest.fixture(scope="module")
def trace() -> Trace:
    assert FILE is not None
    model, tokenizer = read(FILE)
    assert tokenizer is not None
    ids = tokenizer.encode(TEXT)
    recorded = trace_text(model, torch.from_numpy(ids.astype("int64")))
    tokens = [visible(tokenizer.token_text(int(token))) for token in ids]
    for dimension in ("position", "query", "key"):
        recorded.annotate(dimension=dimension, labels=tokens[: recorded["ids"].sizes[1]])
    recorded.annotate(dimension="vocab", labels=[tokenizer.token_text(token) for token in range(tokenizer.size)])
    return recorded


@pytest.fixture(scope="module")
def html(trace: Trace) -> str:
    return page_html(trace, word="it", command=f"kqv trace smollm2 '{TEXT}'")


def test_one_head_takes_the_pizza_for_it(trace: Trace, tmp_path: Path) -> None:
    found = attended(trace, "it")
    row = max((row for row in found.rows if row.word == "pizza"), key=lambda row: row.weight)
    assert (row.attention.heading, row.head) == ("block 13", 8)
    assert round(row.weight, 2) == 0.80
    plot_attention(found, tmp_path / "maps.png")
    assert (tmp_path / "maps.png").stat().st_size < 200_000  # it stands in the README


def test_the_page_is_small_and_has_every_head(trace: Trace, html: str) -> None:
    assert len(html.encode()) < 5_000_000
    content = embedded(html)
    (text,) = content["texts"]
    assert sum(attention["heads"] for attention in text["attentions"]) == 30 * 9
    assert {"blocks.0", "blocks.13", "blocks.29"} <= set(content["blocks"]["whole"])
    tensors = {tensor["name"]: tensor for tensor in content["tensors"]}
    for attention in text["attentions"]:
        value = trace[attention["tensor"]].value.numpy()
        assert (decoded(tensors[attention["tensor"]]["value"]) == value).all()


CLICKS = """
const report = { told: [] };
(async () => {
  const pause = () => new Promise((go) => setTimeout(go, 1));
  for (const button of document.querySelectorAll(".tokens button:nth-child(3n)")) {
    button.click();
    for (const thumb of [...document.querySelectorAll(".cards .thumb")].slice(0, 4)) {
      thumb.click();
      for (const row of document.querySelectorAll(".text .row")) {
        const before = inspector.querySelector("h2").textContent;
        row.click();
        for (let time = 0; time < 40 && inspector.querySelector("h2").textContent === before; time++) await pause();
        const [cell, value] = ["h2", ".value"].map((part) => inspector.querySelector(part).textContent);
        report.told.push({ cell, value, agrees: !!inspector.querySelector(".check:not(.bad)") });
      }
    }
  }
  finish(report);
})();
"""


@needs_browser
def test_its_bars_answer_with_the_recorded_numbers(trace: Trace, html: str, tmp_path: Path) -> None:
    report, _ = report_of(html, CLICKS, tmp_path)
    assert len({told["cell"] for told in report["told"]}) > 50
    for told in report["told"]:
        assert told["agrees"], told
        assert told["value"] == number(trace.value(trace.read(told["cell"]))), told
