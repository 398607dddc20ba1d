"""Blocks that are alike: in a table one of them can stand for all."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kqv.trace.records import TensorRecord

_BLOCK = re.compile(r"(?P<block>(\w+\.)+?\d+)(\.|$)")


def block_of(name: str) -> str:
    """The block that a tensor or a module is in: of `blocks.2.attention.scores` `blocks.2`, of a translator's
    `encoder.blocks.2.norm` `encoder.blocks.2`; `""` outside of all."""
    found = _BLOCK.match(name)
    return found["block"] if found else ""


def alike(records: Iterable[TensorRecord]) -> dict[str, str]:
    """For each block that has the tensors of an earlier one, with the same names, dimensions and sizes, that earlier
    one."""
    tensors: dict[str, list[object]] = {}
    for record in records:
        block = block_of(record.name)
        if block:
            own = record.name[len(block) :]
            tensors.setdefault(block, []).append((own, record.dimensions, record.sizes, record.kind))
    first: dict[str, str] = {}
    found = {}
    for block, content in tensors.items():
        stands = first.setdefault(f"{block.rpartition('.')[0]} {content}", block)
        if stands != block:
            found[block] = stands
    return found


def in_words(folded: dict[str, str], first: str) -> str:
    """Which blocks one stands for: `blocks.1 … blocks.3: as blocks.0`."""
    names = [block for block, stands in folded.items() if stands == first]
    return f"{names[0] if len(names) == 1 else f'{names[0]} … {names[-1]}'}: as {first}, with other numbers"
