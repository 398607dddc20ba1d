"""A translator as two graphs of ONNX: an encoder, which also gives what the decoder keeps of a source, and a decoder
with its key-value cache. The names are those of Optimum's decoders with a past."""

from __future__ import annotations

from typing import Any

import torch

from kqv.interchange.onnx_attention import Seen, Turns, attention, cross_attention, keys_of, turns_of
from kqv.interchange.onnx_graph import Graph, Scope
from kqv.interchange.onnx_masks import seen_by, seen_of_all
from kqv.interchange.onnx_parts import feed_forward, in_turn, norm, table_of, write_head
from kqv.models.transformer import Inputs, Transformer
from kqv.models.translator_architecture import TranslatorArchitecture

BATCH, SOURCE, NEW, PAST = "batch_size", "encoder_sequence_length", "sequence_length", "past_sequence_length"
ALL = f"{PAST} + {NEW}"
SIDES = ("key", "value")


def encoder_of(model: Transformer) -> Graph:
    """`input_ids[batch, source]` and `attention_mask` (0 where a source has padding behind it) to `last_hidden_state`,
    and for each block of the decoder the keys and values of the source, `present.0.encoder.key` and so on.

    Raises `Error` that names a part which is not written here.
    """
    graph, chosen = Graph(), model.architecture
    at, heads = Scope(graph), chosen.shared()
    ids = graph.input("input_ids", torch.int64, BATCH, SOURCE)
    present = graph.input("attention_mask", torch.int64, BATCH, SOURCE)
    graph.output("last_hidden_state", BATCH, SOURCE, chosen.width)
    keys = at.add("Gather", at.add("Shape", ids), at.whole(1))
    positions = _positions(at, at.whole(0), keys)
    table = "tokens" if model.source_tokens is None else "source_tokens"
    vectors = at.add("Gather", at.weight(f"{table}.weight", getattr(model, table).weight), ids)
    x = _inputs(at.into("encoder.inputs"), model.encoder.inputs, chosen, vectors, positions)
    own = at.add("Transpose", positions, perm=[1, 0])
    distances = at.add("Cast", at.add("Abs", at.add("Sub", own, positions)), to=torch.float32)
    seen = seen_of_all(at, keys, present, distances)
    turns = _turns(at, model.encoder.blocks[0], chosen, positions)
    for number, block in enumerate(model.encoder.blocks):
        x = _encoder_block(at.into(f"encoder.blocks.{number}"), chosen, block, x, seen, turns)
    x = x if model.encoder.norm is None else norm(at.into("encoder.norm"), model.encoder.norm, x)
    at.add("Identity", x, name="last_hidden_state")
    for number, block in enumerate(model.decoder.blocks):
        _keep(at.into(f"decoder.blocks.{number}.cross_attention"), block, x, f"present.{number}.encoder")
        for side in SIDES:
            graph.output(f"present.{number}.encoder.{side}", BATCH, heads.key_heads, SOURCE, heads.channels)
    return graph


def decoder_of(model: Transformer) -> Graph:
    """`input_ids[batch, new]`, the source's `encoder_attention_mask`, what the encoder gave of it and the past's keys
    and values (`past_key_values.0.decoder.key` and so on) to `logits[batch, new, vocab]` and all keys and values.

    Raises `Error` that names a part which is not written here.
    """
    graph, chosen = Graph(), model.architecture
    at = Scope(graph)
    ids = graph.input("input_ids", torch.int64, BATCH, NEW)
    source = graph.input("encoder_attention_mask", torch.int64, BATCH, SOURCE)
    graph.output("logits", BATCH, NEW, model.vocab)
    _cache(graph, len(model.decoder.blocks), chosen)
    before = at.add("Gather", at.add("Shape", "past_key_values.0.decoder.key"), at.whole(2))
    keys = at.add("Add", before, at.add("Gather", at.add("Shape", ids), at.whole(1)))
    positions = _positions(at, before, keys)
    vectors = at.add("Gather", at.weight("tokens.weight", model.tokens.weight), ids)
    x = _inputs(at.into("decoder.inputs"), model.decoder.inputs, chosen, vectors, positions)
    seen = seen_by(at.into("decoder"), chosen, before, keys)
    there = seen_of_all(at.into("source"), at.add("Gather", at.add("Shape", source), at.whole(1)), source)
    turns = _turns(at, model.decoder.blocks[0], chosen, positions)
    for number, block in enumerate(model.decoder.blocks):
        x = _decoder_block(at.into(f"decoder.blocks.{number}"), number, chosen, block, x, (seen, there), turns)
    write_head(at, model, x if model.decoder.norm is None else norm(at.into("decoder.norm"), model.decoder.norm, x))
    return graph


def _encoder_block(
    at: Scope, chosen: TranslatorArchitecture, block: Any, x: str, seen: Seen, turns: Turns | None
) -> str:
    return in_turn(at, chosen, block, x, {
        "attention": lambda x: attention(at.into("attention"), block.attention, chosen, x, seen, turns),
        "feed_forward": lambda x: _fed(at, chosen, block, x),
    })  # fmt: skip


def _decoder_block(
    at: Scope, number: int, chosen: TranslatorArchitecture, block: Any, x: str, seen: tuple[Seen, Seen],
    turns: Turns | None,
) -> str:  # fmt: skip
    """One block, with its part of the cache; `seen`: of its own text, and of the source."""
    own, there = seen
    past, kept = (_sides(f"past_key_values.{number}.{text}") for text in ("decoder", "encoder"))
    present = _sides(f"present.{number}.decoder")
    return in_turn(at, chosen, block, x, {
        "attention": lambda x: attention(
            at.into("attention"), block.attention, chosen, x, own, turns, past, present
        ),
        "cross_attention": lambda x: cross_attention(
            at.into("cross_attention"), block.cross_attention, chosen, x, there, kept
        ),
        "feed_forward": lambda x: _fed(at, chosen, block, x),
    })  # fmt: skip


def _keep(at: Scope, block: Any, x: str, name: str) -> None:
    """Keys and values of the source for a block of the decoder."""
    keys_of(at, block.cross_attention, x, _sides(name))


def _sides(name: str) -> tuple[str, str]:
    return f"{name}.key", f"{name}.value"


def _cache(graph: Graph, blocks: int, chosen: TranslatorArchitecture) -> None:
    heads = chosen.shared()
    for number in range(blocks):
        for text, length in (("decoder", PAST), ("encoder", SOURCE)):
            for side in SIDES:
                name, axes = f"{number}.{text}.{side}", (BATCH, heads.key_heads)
                graph.input(f"past_key_values.{name}", torch.float32, *axes, length, heads.channels)
        for side in SIDES:
            graph.output(f"present.{number}.decoder.{side}", BATCH, heads.key_heads, ALL, heads.channels)


def _positions(at: Scope, before: str, end: str) -> str:
    """The positions from one to another, `[1, position]`."""
    scalar, one = at.whole(), at.add("Squeeze", at.whole(1))
    found = at.add("Range", *(at.add("Reshape", it, scalar) for it in (before, end)), one)
    return at.add("Unsqueeze", found, at.whole(0))


def _inputs(at: Scope, module: Inputs, chosen: TranslatorArchitecture, vectors: str, positions: str) -> str:
    x = at.add("Mul", vectors, at.number(module.factor), name="scaled")
    if module.positions is None:
        return x
    table = at.weight("positions.weight", table_of(module.positions, chosen.context))
    return at.add("Add", x, at.add("Gather", table, positions), name="embedded")


def _turns(at: Scope, block: Any, chosen: TranslatorArchitecture, positions: str) -> Turns | None:
    turn = block.attention.turn
    return None if turn is None else turns_of(at, turn, chosen.shared().channels, chosen.context, positions)


def _fed(at: Scope, chosen: TranslatorArchitecture, block: Any, x: str) -> str:
    return feed_forward(at.into("feed_forward"), chosen.feed_forward, block.feed_forward, x)
