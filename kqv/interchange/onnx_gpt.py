"""A GPT as a graph of ONNX, with its key-value cache, under the names that Optimum and transformers.js use."""

from __future__ import annotations

import torch

from kqv.interchange.onnx_attention import Seen, Turns, attention, turns_of
from kqv.interchange.onnx_graph import Graph, Scope
from kqv.interchange.onnx_masks import seen_by
from kqv.interchange.onnx_parts import feed_forward, in_turn, norm, table_of, write_head
from kqv.models.architecture import Architecture
from kqv.models.attention import Attention
from kqv.models.blocks import Block
from kqv.models.gpt import GPT

BATCH, NEW, PAST = "batch_size", "sequence_length", "past_sequence_length"
ALL = f"{PAST} + {NEW}"


def graph_of(model: GPT) -> Graph:
    """`input_ids[batch, new]`, `attention_mask[batch, past + new]` (0 where a text has padding before it) and the keys
    and values of the past to `logits[batch, new, vocab]` and all keys and values.

    Raises `Error` that names a part which is not written here.
    """
    graph, chosen, heads = Graph(), model.architecture, model.heads
    at = Scope(graph)
    ids = graph.input("input_ids", torch.int64, BATCH, NEW)
    present = graph.input("attention_mask", torch.int64, BATCH, ALL)
    graph.output("logits", BATCH, NEW, model.vocab)
    axes = BATCH, heads.key_heads
    for number in range(len(model.blocks)):
        for name in ("key", "value"):
            graph.input(f"past_key_values.{number}.{name}", torch.float32, *axes, PAST, heads.channels)
            graph.output(f"present.{number}.{name}", *axes, ALL, heads.channels)
    before, keys = _lengths(at, ids, present)
    positions = _positions(at, present, before)
    seen = seen_by(at, chosen, before, keys, present)
    x = at.add("Gather", at.weight("tokens.weight", model.tokens.weight), ids, name="token_vectors")
    if model.positions is not None:
        vectors = at.add("Gather", at.weight("positions.weight", table_of(model.positions, model.context)), positions)
        x = at.add("Add", x, vectors, name="embedded")
    first = model.blocks[0].attention
    turns = None
    if isinstance(first, Attention) and first.turn is not None:
        turns = turns_of(at, first.turn, heads.channels, model.context, positions)
    for number, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        x = _block(at.into(f"blocks.{number}"), number, chosen, block, x, seen, turns)
    write_head(at, model, x if model.norm is None else norm(at.into("norm"), model.norm, x))
    return graph


def _lengths(at: Scope, ids: str, present: str) -> tuple[str, str]:
    """How many positions are past, and how many there are with the new ones; `[1]` each."""
    keys, new = (at.add("Gather", at.add("Shape", it), at.whole(1)) for it in (present, ids))
    return at.add("Sub", keys, new), keys


def _positions(at: Scope, present: str, before: str) -> str:
    """Where the new tokens stand in their texts, `[batch, new]`: counted from the first that is no padding."""
    counted = at.add("Sub", at.add("CumSum", present, at.whole(1)), at.whole(1))
    counted = at.add("Max", counted, at.whole(0))
    return at.add("Slice", counted, before, at.whole(torch.iinfo(torch.int64).max), at.whole(1), name="positions")


def _block(
    at: Scope, number: int, chosen: Architecture, block: Block, x: str, seen: Seen, turns: Turns | None
) -> str:  # fmt: skip
    """One block, with its part of the cache."""
    module = block.attention
    assert isinstance(module, Attention)
    past, present = ((f"{side}.{number}.key", f"{side}.{number}.value") for side in ("past_key_values", "present"))
    return in_turn(at, chosen, block, x, {
        "attention": lambda x: attention(at.into("attention"), module, chosen, x, seen, turns, past, present),
        "feed_forward": lambda x: feed_forward(
            at.into("feed_forward"), chosen.feed_forward, block.feed_forward, x
        ),
    })  # fmt: skip
