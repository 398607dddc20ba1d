"""Which blocks are alike, and what a trace keeps of tensors that were made of nothing."""

from __future__ import annotations

import pytest
import torch
from small_gpt import BLOCKS, Traced
from small_passages import translator

from kqv.operations import mask, relu
from kqv.recording import note
from kqv.trace.trace import Trace
from kqv.trace.views.folding import alike, block_of, in_words
from kqv.why.why import Why


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("blocks.2.attention.scores", "blocks.2"),
        ("blocks.12", "blocks.12"),
        ("encoder.blocks.3.attention.2", "encoder.blocks.3"),
        ("decoder.norm", ""),
        ("norm.weight", ""),
        ("ids", ""),
    ],
)
def test_the_block_of_a_name(name: str, block: str) -> None:
    assert block_of(name) == block


def test_blocks_with_the_same_tensors_are_alike(traced: Traced) -> None:
    assert alike(traced.trace) == {f"blocks.{number}": "blocks.0" for number in range(1, BLOCKS)}
    assert alike(record for record in traced.trace if record.name != "blocks.1.attention.scores") == {}
    assert in_words({"blocks.1": "blocks.0"}, "blocks.0").startswith("blocks.1: as blocks.0")


def test_a_translators_blocks_are_alike_in_each_half_by_itself() -> None:
    trace = Why(translator("post-norm")).trace
    blocks = {block_of(name) for name, _ in trace.model.named_modules()} - {""}
    assert blocks == {
        f"{half}.blocks.{number}" for half in ("encoder", "decoder") for number in range(len(blocks) // 2)
    }
    assert alike(trace) == {block: f"{block.partition('.')[0]}.blocks.0" for block in blocks if block[-1] != "0"}


def test_a_folded_table_has_all_else(traced: Traced) -> None:
    whole, short = traced.trace.table(100), traced.trace.table(100, fold=True)
    assert len(short.splitlines()) < 0.75 * len(whole.splitlines())
    added = [line for line in short.splitlines() if line not in whole.splitlines()]
    assert [line.split(":")[0].split(" of ")[-1] for line in added] == ["blocks.1", "the blocks that are not shown"]
    for record in traced.trace:
        if not record.name.startswith("blocks.1") and record.kind != "activation":
            assert f"  {record.name} {record.shape_text}" in short


def test_a_mask_that_was_made_of_nothing_is_named_alone() -> None:
    with Trace() as trace:
        allowed = note("allowed", torch.ones(3, 3, dtype=torch.bool).tril(), "query key")
        note("masked", mask(note("x", torch.randn(3, 3), "query key"), allowed), "query key")
    assert [record.name for record in trace] == ["allowed", "x", "masked"]
    assert trace["allowed"].producer is None


def test_numbers_that_were_made_of_nothing_are_followed() -> None:
    with Trace() as trace:
        note("y", relu(torch.randn(3).abs()), "in")
    assert "abs" in [record.name for record in trace]
