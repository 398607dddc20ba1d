"""Splits as tables for a terminal of any width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from kqv.arithmetic import number
from kqv.trace.views.text import terminal_width, wrapped
from kqv.why.looked import Looked
from kqv.why.tested import Tested

HONESTLY = (
    "A split is a sum, not a cause: it says what was added, not what would be without it. That is measured: "
    "--test N, --without PART."
)


class Summed(Protocol):
    """A number that was split: the sum of its terms, Σ|terms|, and what the model computed."""

    @property
    def sum(self) -> float: ...

    @property
    def size(self) -> float: ...

    @property
    def value(self) -> float: ...


def percent(probability: float) -> str:
    """A probability as a percentage with as many digits as tell it from 0."""
    return f"{100 * probability:.1f} %" if abs(probability) >= 0.001 else f"{100 * probability:.2g} %"


def table(heads: tuple[str, str, str] | None, rows: Sequence[tuple[float, str, str]], width: int) -> list[str]:
    """A number and two texts in a row; the second one behind the first where there is room, else cut."""
    shown = [(_signed(value), first, second) for value, first, second in rows]
    everything = [*([heads] if heads else []), *shown]
    wide = max((len(one) for one, _, _ in everything), default=0)
    room = min(max((len(first) for _, first, _ in everything), default=0), max(12, (width - wide - 6) * 6 // 11))
    lines = []
    for one, first, second in everything:
        line = f"  {one:>{wide}}  {_cut(first, room):<{room}}  {_cut(second, max(8, width - wide - room - 6))}"
        lines.append(line.rstrip())
    return lines


def closing(split: Summed, terms: Sequence[float], others: int) -> list[str]:
    """The rest, without the listed `terms`, as one line, and the sum with the number that the model computed."""
    rest = _signed(split.sum - sum(terms))
    wide = max(len(_signed(value)) for value in (*terms, split.sum - sum(terms) if others else 0.0))
    lines = [f"  {rest:>{wide}}  all {others:,} others together"] if others else []
    check = f"difference {abs(split.sum - split.value):.1e}, Σ|terms| {number(split.size)}"
    return [*lines, f"  {_signed(split.sum):>{wide}}  the sum; the model computed {_signed(split.value)} ({check})"]


def tested_text(rows: Sequence[Tested]) -> str:
    """What the split says of each part beside what the number is without it."""
    wide = max((len(row.part.words) for row in rows), default=0)
    lines = ["each of these parts by itself set to 0, at every position:", ""]
    lines.append(f"  {'':<{wide}}  in the split  without it     change")
    lines += [
        f"  {row.part.words:<{wide}}  {_signed(row.in_split):>12}  {_signed(row.after):>10}  {_signed(row.change):>9}"
        for row in rows
    ]
    return "\n".join(lines)


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def looked_text(rows: Sequence[Looked], most: int) -> str:
    """The heads in which one word looks at the other, strongest first."""
    shown = rows[:most]
    wide = max(len(row.module) for row in shown)
    lines = [f"{'attention':<{wide}}  head  weight  score's cell"]
    lines += [f"{row.module:<{wide}}  {row.head:>4}  {row.weight:6.3f}  {row.cell}" for row in shown]
    if len(rows) > most:
        lines.append(f"… and {len(rows) - most:,} heads with less")
    return "\n".join(lines)


def changed_text(asked: str, how: str, before: Mapping[str, float], after: Mapping[str, float], width: int) -> str:
    """What was asked for, in the pass as it is and in the changed one."""
    lines = [*wrapped(f"{asked}, {how}:", terminal_width(width), ""), "", f"{'':<12}  {'before':>9}  {'after':>9}"]
    for name, value in before.items():
        later = after[name]
        if name in ("weight", "probability"):
            lines.append(f"  {name:<10}  {percent(value):>9}  {percent(later):>9}")
        else:
            lines.append(f"  {name:<10}  {_signed(value):>9}  {_signed(later):>9}  {_signed(later - value)}")
    return "\n".join(lines)
