"""What of a trace the page holds: all of a small one; of many blocks a few, of a large vocabulary the top entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kqv.errors import TraceError
from kqv.trace.movements import Movement
from kqv.trace.operands import named_ancestors
from kqv.trace.records import CallRecord, TensorRecord
from kqv.trace.trace import Trace
from kqv.trace.views.attention import Attention, attended, attentions
from kqv.trace.views.folding import block_of
from kqv.trace.views.page.numbers import Positions, cap
from kqv.trace.views.page.word_rows import needed_for, row_of_word

ROOM = 700_000
"""About so many numbers go into one page; of each takes five and a third characters."""

ROOM_FOR_ATTENTION = 380_000  # of these for the attention of the blocks that are shown whole
ROOM_FOR_MAPS = 200_000  # for the weights of the other blocks, and the scores that they were made from
ROOM_FOR_WORD = 120_000  # for the projections of the head that a word is asked about, one row for each of its channels
LATER = 1024  # of a gradient that cannot tell its arithmetic, or an update
ROOM_FOR_WEIGHTS = 100_000  # for all weights of a Transformer, with gradients and updates
ROOM_FOR_LAYERS = 300_000  # for those of another model
LEAST_ROOM = 40_000
MOST_BLOCKS = 6  # up to so many are all shown whole
WHOLE_BLOCKS = 4  # of more, so many
LARGE_VOCABULARY = 512  # tokens up to which a dimension "vocab" is shown whole
TOP_TOKENS = 128  # entries of a larger vocabulary
UPDATED_TOKENS = 16  # of these with their gradients and updates


@dataclass
class Shown:
    """The tensors that the page holds, each with its room and with the positions that are kept of some axes."""

    records: list[TensorRecord] = field(default_factory=list)
    room: dict[str, int] = field(default_factory=dict)
    later: dict[str, int] = field(default_factory=dict)
    """The room of gradients and updates, where it is another one."""
    positions: dict[str, Positions] = field(default_factory=dict)
    undrawn: set[tuple[str, str]] = field(default_factory=set)
    """Names and fields (`value`, `gradient`) that are there for the arithmetic of others, not to be looked at."""
    attentions: list[Attention] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)

    def keep(self, record: TensorRecord, room: int, positions: Positions | None = None) -> None:
        """Keep so many numbers of a tensor; what was decided before stands."""
        if record.name not in self.room:
            self.room[record.name] = room
            self.positions[record.name] = positions or {}


def shown(trace: Trace, elements: int, word: str | None = None) -> Shown:
    """Choose what the page holds; `word` is the one that its reader asks about first, `elements` the most that is kept
    of one tensor. Raises `TraceError` for a word that the text has not."""
    found = Shown(attentions=[a for a in attentions(trace) if _has_words(trace, a)])
    found.blocks = list(
        dict.fromkeys(filter(None, (block_of(r.path) for r in trace.tensors if r.kind == "activation")))
    )
    strongest = _strongest_first(trace, found.attentions, word)
    found.whole = _whole_blocks(found.blocks, strongest, _most_whole(trace, strongest))
    if word is not None and found.whole != found.blocks:
        _keep_word(trace, found, word)
    _keep_logits(trace, found)
    _keep_attention(trace, found)
    _keep_maps(found, strongest)
    _keep_rest(trace, found, elements)
    found.records = [record for record in trace.tensors if record.name in found.room]
    held = set(found.room)
    found.attentions = [attention for attention in found.attentions if attention.record.name in held]
    return found


def _has_words(trace: Trace, attention: Attention) -> bool:
    return any((name, "query") in trace.meanings.axes for name in (attention.record.name, ""))


def _strongest_first(trace: Trace, found: list[Attention], word: str | None) -> list[Attention]:
    """Attentions by what their strongest head gives to words besides the first, itself and the one before."""
    if word is not None and found:
        rows = attended(trace, word).varied(len(found) * 64)
        named = [row for row in rows if row.keys.stop < row.query] or rows
        order = list(dict.fromkeys(row.attention.module for row in named))
        return sorted(found, key=lambda a: order.index(a.module) if a.module in order else len(order))
    return sorted(found, key=_reach, reverse=True)


def _reach(attention: Attention) -> float:
    queries, keys = attention.weights.shape[1:]
    near = torch.ones(queries, keys).tril(keys - queries - 2)  # neither itself nor the one before
    far = attention.weights * near
    far[..., 0] = 0
    return float(far.amax(-1).mean(-1).max()) if queries and keys else 0.0


def _members(trace: Trace, module: str) -> list[TensorRecord]:
    """The tensors of an attention that have queries or keys."""
    members = [
        record for record in trace.tensors if record.path == module and {"query", "key"} & set(record.dimensions)
    ]
    return [record for record in members if record.readable_value is not None]


def _most_whole(trace: Trace, found: list[Attention]) -> int:
    """Of how many blocks there is room for all of attention's values."""
    size = max((sum(r.tensor.numel() for r in _members(trace, a.module)) for a in found[:1]), default=0)
    return max(1, ROOM_FOR_ATTENTION // size) if size else MOST_BLOCKS


def _whole_blocks(blocks: list[str], strongest: list[Attention], most: int) -> list[str]:
    if len(blocks) <= min(MOST_BLOCKS, most):
        return blocks
    by_strength = [block_of(attention.module) for attention in strongest if block_of(attention.module) in blocks]
    order = dict.fromkeys([*by_strength[:1], blocks[0], blocks[-1], *by_strength, *blocks])
    wanted = list(order)[: min(WHOLE_BLOCKS, most)]
    return [block for block in blocks if block in wanted]


def _keep_word(trace: Trace, found: Shown, word: str) -> None:
    """Whole rows for the head that a word is asked about first: from its scores back to what came into its block."""
    row = row_of_word(trace, word)
    if row is None:
        return
    needed = needed_for(trace, row)
    size = sum(len(at[0]) * trace[name].tensor.numel() // trace[name].sizes[0] for name, at in needed.items() if at)
    if size > ROOM_FOR_WORD:
        return
    for name, positions in needed.items():
        record = trace[name]
        if record.path == row.attention.module and record.kind == "activation":
            continue  # the attention's own tensors are kept with it
        found.keep(record, record.tensor.numel(), positions)
        found.later[name] = LATER
        if record.kind == "activation" and block_of(record.name) not in {*found.whole, ""}:
            found.undrawn.add((name, "value"))  # what came from a block that is not shown


def _keep_logits(trace: Trace, found: Shown) -> None:
    """Results for each token of a vocabulary, and what they were made from: of a large one the top entries."""
    for record in trace.tensors:
        value = record.readable_value
        if record.dimensions[-1:] != ("vocab",) or record.kind != "activation" or value is None or not value.numel():
            continue
        tokens = found.tokens
        if record.sizes[-1] > LARGE_VOCABULARY:
            tokens = found.tokens = found.tokens or top_tokens(value)
        axis = len(record.sizes) - 1
        found.keep(record, ROOM // 6, {axis: tokens} if tokens else None)
        producer = record.producer
        for operand in producer.inputs if isinstance(producer, CallRecord) else []:
            if operand is not None and operand.names:
                of_vocabulary = tokens and operand.kind != "activation" and operand.sizes[0] == record.sizes[-1]
                found.keep(operand, ROOM // 6, {0: tokens} if of_vocabulary else None)
                if operand.kind == "activation" and tokens:  # its gradient takes the whole vocabulary
                    found.later[operand.name] = LATER
    for record in trace.tensors:  # the table of tokens, where it is not the head
        if record.dimensions[:1] == ("vocab",) and record.sizes[0] > LARGE_VOCABULARY and found.tokens:
            found.keep(record, ROOM // 12, {0: found.tokens})


def top_tokens(logits: Tensor, most: int = TOP_TOKENS) -> list[int]:
    """The tokens with the largest logits `[…, vocab]` of each position, as many as make about `most` in all."""
    rows = logits.detach().reshape(-1, logits.shape[-1])[-most:].float()
    ranked = rows.topk(min(most, rows.shape[-1]), dim=-1).indices.cpu()
    found: dict[int, None] = {}
    for place in range(ranked.shape[1]):  # the first of every position, then the second of every position
        found.update(dict.fromkeys(ranked[:, place].tolist()))
        if len(found) >= most:
            break
    return sorted(found)


def _keep_attention(trace: Trace, found: Shown) -> None:
    """Of the blocks shown whole (and of attention outside of blocks) everything that has queries or keys."""
    modules = [a.module for a in found.attentions if (block_of(a.module) or "") in {*found.whole, ""}]
    for module in modules:
        room = ROOM_FOR_ATTENTION // len(modules)
        members = _members(trace, module)
        total = sum(record.tensor.numel() for record in members)
        for record in members:
            last: Positions | None = None
            if total > room and "query" in record.dimensions:  # the last queries with all of their keys
                axis = record.dimensions.index("query")
                size = record.sizes[axis]
                last = {axis: range(size - max(1, size * room // total), size)}
            found.keep(record, room, last)
            found.later[record.name] = max(1024, (room - total) // len(members))
        for record in _taken_by(members, module):
            if record.tensor.numel() <= room // 4:
                found.keep(record, record.tensor.numel())
                found.later[record.name] = LATER
        for record in _moved_on(members, module):  # the same numbers, so that gradients can be followed
            if record.tensor.numel() <= room // 4:
                found.keep(record, record.tensor.numel())
                found.later[record.name] = record.tensor.numel()
                if found.whole != found.blocks:  # its own arithmetic takes a whole projection
                    found.undrawn.add((record.name, "gradient"))


def _moved_on(members: list[TensorRecord], module: str) -> Iterator[TensorRecord]:
    """The other tensors of a module that its attention's tensors were moved to, as when heads are merged."""
    for member in members:
        waiting = [member]
        while waiting:
            for consumer, _ in waiting.pop().consumers:
                for moved in consumer.outputs.values() if isinstance(consumer, Movement) else ():
                    if not moved.names:
                        waiting.append(moved)
                    elif moved.path == module and moved not in members:
                        yield moved


def _taken_by(members: list[TensorRecord], module: str) -> Iterator[TensorRecord]:
    """The other tensors of a module that its attention's tensors were computed from."""
    for member in members:
        producer = member.producer
        for given in producer.inputs if isinstance(producer, CallRecord) else []:
            for record in named_ancestors(given) if given is not None else []:
                if record.path == module and record.kind == "activation" and record.readable_value is not None:
                    yield record


def _keep_maps(found: Shown, strongest: list[Attention]) -> None:
    """The weights of the other blocks, what their softmax took, and the scores that these are, as long as there is
    room."""
    room = ROOM_FOR_MAPS
    for attention in strongest:
        record = attention.record
        producer = record.producer
        given = producer.inputs if isinstance(producer, CallRecord) and producer.name == "softmax" else []
        needed = [record, *(operand for operand in given if operand is not None and operand.names)]
        masked = [operand.producer for operand in needed[1:]]
        behind = [
            operand for call in masked if isinstance(call, CallRecord) and call.name == "mask"
            for operand in call.inputs if operand is not None and operand.names
        ]  # fmt: skip
        size = sum(part.tensor.numel() for part in [*needed, *behind])
        if record.name not in found.room and size <= room:
            room -= size
            for part in needed:
                found.keep(part, part.tensor.numel())
            for part in behind:
                if part.name not in found.room:
                    found.keep(part, part.tensor.numel())
                    found.later[part.name] = 1
                    found.undrawn |= {(part.name, "value"), (part.name, "gradient")}


def _keep_rest(trace: Trace, found: Shown, elements: int) -> None:
    """All other tensors around the blocks and in those shown whole, each as much as there is room for."""
    left_out = set(found.blocks) - set(found.whole)
    rest = [r for r in trace.tensors if r.name not in found.room and block_of(r.name) not in left_out]
    used = sum(_used(trace, trace[name], room, found.later.get(name, room)) for name, room in found.room.items())
    weights = [record for record in rest if record.kind != "activation"]
    others = [record for record in rest if record.kind == "activation"]
    of_weights = ROOM_FOR_WEIGHTS if found.attentions else ROOM_FOR_LAYERS
    for records, room in ((weights, of_weights), (others, ROOM - used - of_weights)):
        phases = [_phases(trace, record) for record in records]
        sizes = [r.tensor.numel() for r, count in zip(records, phases, strict=True) for _ in range(count)]
        most = cap(sizes, max(room, LEAST_ROOM), elements)
        for record in records:
            found.keep(record, most)


def _used(trace: Trace, record: TensorRecord, room: int, later: int) -> int:
    count = record.tensor.numel()
    return min(count, room) + (_phases(trace, record) - 1) * min(count, later)


def _phases(trace: Trace, record: TensorRecord) -> int:
    """In how many phases a tensor has numbers: its value, its gradient, its update."""
    try:
        gradient = record.gradient is not None
    except TraceError:
        gradient = False
    return 1 + gradient + (record.name in trace.updates)
