"""Which part of a large weight's gradient a page holds: that which it can also explain."""

from __future__ import annotations

from kqv.trace.records import CallRecord, TensorRecord
from kqv.trace.views.page.numbers import Positions, kept_sizes
from kqv.trace.views.page.shown import Shown


def corner(weight: TensorRecord, chosen: Shown) -> Positions:
    """The rows and columns of a weight whose gradient ∂C/∂w[out,in] = Σ_positions δ[position,out]·x[position,in] takes
    numbers that the page holds, at all positions; the first ones where there are none."""
    if len(weight.sizes) != 2:
        return {}
    for call, _ in weight.consumers:
        if not isinstance(call, CallRecord) or call.output is None:
            continue
        given = next((one for one in call.inputs if one is not None and one.kind == "activation"), None)
        if given is None or (call.output.sizes[-1:], given.sizes[-1:]) != (weight.sizes[:1], weight.sizes[1:]):
            continue
        name = call.output.name
        rows = _features(call.output, chosen.later.get(name, chosen.room.get(name, 0)), chosen)
        columns = _features(given, chosen.room.get(given.name, 0), chosen)
        return {0: range(rows), 1: range(columns)} if rows and columns else {}
    return {}


def _features(record: TensorRecord, room: int, chosen: Shown) -> int:
    """How many features the page holds at every position; 0 where it lacks some position."""
    if not room or chosen.positions.get(record.name):
        return 0
    *others, features = kept_sizes(record.sizes, room)
    return features if tuple(others) == record.sizes[:-1] else 0
