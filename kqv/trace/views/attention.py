"""What a word of a text attends to: the recorded attention weights, by block and head, strongest first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kqv.errors import TraceError
from kqv.recording import unseen
from kqv.trace.cells import unflatten
from kqv.trace.records import TensorRecord
from kqv.trace.views.text import terminal_width, wrapped
from kqv.trace.views.words import find_word, word_at, words_of

if TYPE_CHECKING:
    from kqv.trace.trace import Trace

_BLOCK = re.compile(r"blocks\.(\d+)\.attention")
_BAR = 10


@dataclass(frozen=True, eq=False)
class Attention:
    """The weights of one attention `[head, query, key]` for one example of a batch, and the tokens that ask and are
    asked. Heads that share keys count through: head = key head · heads of its group + head within the group."""

    record: TensorRecord
    weights: Tensor
    queries: tuple[str, ...]
    keys: tuple[str, ...]
    example: int = 0

    @property
    def module(self) -> str:
        """The module's path: `blocks.13.attention`."""
        return self.record.name.rpartition(".")[0]

    @property
    def heading(self) -> str:
        """`block 13`; the path where it is another kind of attention, such as a decoder's to the encoder."""
        found = _BLOCK.fullmatch(self.module)
        return f"block {found[1]}" if found else self.module.removesuffix(".attention")

    @property
    def is_of_one_text(self) -> bool:
        """Whether queries and keys are positions of one text; those of cross-attention are not."""
        return self.queries == self.keys and not self.module.endswith("cross_attention")

    @property
    def heads(self) -> int:
        """How many there are."""
        return int(self.weights.shape[0])

    def cell(self, head: int, query: int, key: int) -> str:
        """The cell of one weight, as it is typed."""
        sizes = self.record.sizes[1:-2]
        return str(self.record.cell("forward", (self.example, *unflatten(head, sizes), query, key)))


@dataclass(frozen=True, eq=False)
class Attended:
    """What one head gives from a word to another: the weight of the key, summed where the word has several tokens."""

    attention: Attention
    head: int
    query: int
    keys: range
    word: str
    weight: float

    def as_dict(self) -> dict[str, Any]:
        """The row for JSON: where the head is, which positions it looks at, and with which weight."""
        return {
            "attention": self.attention.module, "head": self.head, "query": self.query, "keys": list(self.keys),
            "word": self.word, "weight": self.weight,
        }  # fmt: skip

    @property
    def is_first(self) -> bool:
        """Whether it is the text's first word, on which attention rests that finds nothing better."""
        return self.keys.start == 0

    @property
    def is_itself(self) -> bool:
        """Whether it is the word that asks; in another text a word at its position is not."""
        return self.attention.is_of_one_text and self.query in self.keys

    @property
    def rests(self) -> bool:
        """Whether the weight goes to the text's first word or to the word itself; in another text none does."""
        return self.attention.is_of_one_text and (self.is_first or self.is_itself)


@dataclass(frozen=True, eq=False)
class AttendedWord:
    """A word of a text with all that it attends to, strongest first; `tokens` are those that ask (the last one does).

    `rows`: what every head of every attention gives to each word. `by_head`: of each head the strongest word but the
    first and itself, on which most heads rest; strongest first.
    """

    word: str
    tokens: range
    rows: tuple[Attended, ...]

    @property
    def by_head(self) -> list[Attended]:
        """For each head its strongest word besides the first and itself (or of these, where there is no other)."""
        best: dict[tuple[str, int], Attended] = {}
        for row in sorted(self.rows, key=lambda row: (row.rests, -row.weight)):
            best.setdefault((row.attention.module, row.head), row)
        return sorted(best.values(), key=lambda row: -row.weight)

    def varied(self, count: int) -> list[Attended]:
        """So many heads to look at, strongest first: for each word the head that gives it most, then the strongest of
        the others."""
        ordered = sorted(self.rows, key=lambda row: (row.rests, -row.weight))
        best: dict[range, Attended] = {}
        for row in ordered:
            if not row.rests:
                best.setdefault(row.keys, row)
        chosen: dict[tuple[str, int], Attended] = {}
        for row in [*sorted(best.values(), key=lambda row: -row.weight), *self.by_head]:
            if len(chosen) < count:
                chosen.setdefault((row.attention.module, row.head), row)
        return sorted(chosen.values(), key=lambda row: -row.weight)

    def of_head(self, row: Attended) -> list[Attended]:
        """All that one row's head gives, strongest first."""
        return [other for other in self.rows if other.attention is row.attention and other.head == row.head]

    def text(self, width: int | None = None, heads: int = 20) -> str:
        """The table for a terminal of this width (by default the one that is there), with the strongest heads."""
        return attended_text(self, width, heads)

    def __str__(self) -> str:
        return self.text()


def attentions(trace: Trace, example: int = 0) -> list[Attention]:
    """Every attention of a trace whose weights were recorded: a tensor `weights` whose last dimensions are query and
    key. Without labels (`trace.annotate(dimension="query", labels=…)`) positions stand for tokens."""
    return list(_attentions(trace, example))


def _attentions(trace: Trace, example: int) -> Iterator[Attention]:
    for record in trace.tensors:
        value = record.readable_value
        is_weights = record.kind == "activation" and record.name.rpartition(".")[2] == "weights"
        if not is_weights or record.dimensions[-2:] != ("query", "key") or value is None or not value.numel():
            continue
        if record.dimensions[0] != "batch" or example >= record.sizes[0]:
            continue
        with unseen():
            weights = value[example].detach().to("cpu", torch.float32).reshape(-1, *record.sizes[-2:])
        yield Attention(
            record, weights, axis_words(trace, record, "query", example), axis_words(trace, record, "key", example),
            example,
        )  # fmt: skip


def axis_words(trace: Trace, record: TensorRecord, dimension: str, example: int = 0) -> tuple[str, ...]:
    """What the positions of a dimension stand for; their numbers where nobody said it."""
    axis = record.dimensions.index(dimension)
    sizes = record.sizes
    found = trace.meanings.of_axis(record.name, dimension, sizes[axis], example)
    return tuple(found) if found else tuple(map(str, range(sizes[axis])))


def attended(trace: Trace, word: str, example: int = 0) -> AttendedWord:
    """What a word attends to in every attention in which it asks.

    `word` is a token with or without the space before it, or several tokens in a row, of which the last one asks; of
    several occurrences the last, or by number: `it#1` (see `find_word`). Keys of one word are summed. Raises
    `TraceError` where the trace holds no attention weights, or none of its texts has the word.
    """
    known = attentions(trace, example)
    if not known:
        raise TraceError("the trace holds no attention weights; trace a text with a Transformer")
    rows: list[Attended] = []
    asking: range | None = None
    failure: TraceError | None = None
    for attention in known:
        try:
            tokens = find_word(attention.queries, word)
        except TraceError as missing:
            failure = failure or missing
            continue
        asking = asking or tokens
        rows += _rows(attention, tokens[-1])
    if asking is None:
        assert failure is not None
        raise failure
    first = next(row.attention for row in rows)
    name = word_at(first.queries, asking)
    return AttendedWord(name, asking, tuple(sorted(rows, key=lambda row: -row.weight)))


def _rows(attention: Attention, query: int) -> Iterator[Attended]:
    for span in words_of(attention.keys):
        name = word_at(attention.keys, span)
        weights = attention.weights[:, query, span.start : span.stop].sum(-1).tolist()
        for head, weight in enumerate(weights):
            if weight > 0:
                yield Attended(attention, head, query, span, name, weight)


def attended_text(found: AttendedWord, width: int | None = None, heads: int = 20) -> str:
    """A table: block and head, the word that gets most besides the first and itself, with its weight, and the next."""
    width = terminal_width(width)
    strongest = found.by_head
    shown = strongest[:heads]
    lines = _introduction(found, strongest, width)
    wheres = [row.attention.heading.removeprefix("block ") for row in shown]
    where_head = "block" if all(row.attention.heading.startswith("block ") for row in shown) else "attention"
    where = max([len(where_head), *map(len, wheres)])
    room = max(8, min(24, (width - where - 44) // 2))
    to = max([2, *(len(_cut(row.word, room)) for row in shown)])
    lines += ["", f"{where_head:>{where}}  head  {'to':<{to}}  weight  {'':<{_BAR}}  first  itself  then"]
    for name, row in zip(wheres, shown, strict=True):
        others = found.of_head(row)
        first = sum(other.weight for other in others if other.is_first)
        own = sum(other.weight for other in others if other.is_itself)
        line = (
            f"{name:>{where}}  {row.head:>4}  {_cut(row.word, room):<{to}}  {row.weight:6.2f}  {_bar(row.weight)}"
            f"  {first:5.2f}  {own:6.2f}"
        )
        then = [other for other in others if other is not row and not other.rests][:1]
        rest = "".join(f"  {_cut(other.word, room)} {other.weight:.2f}" for other in then if other.weight >= 0.005)
        lines.append(line + rest if len(line + rest) <= width else line)
    if len(strongest) > len(shown):
        lines.append(f"… and {len(strongest) - len(shown):,} heads with less")
    if shown:
        top = shown[0]
        best = max(top.keys, key=lambda key: float(top.attention.weights[top.head, top.query, key]))
        lines += ["", "the first of these as a cell:", f"  {top.attention.cell(top.head, top.query, best)}"]
    return "\n".join(lines)


def _introduction(found: AttendedWord, strongest: Sequence[Attended], width: int) -> list[str]:
    position = found.tokens[-1]
    of = len(strongest[0].attention.queries)
    layers = len({row.attention.module for row in strongest})
    last = (
        f"token {position}"
        if len(found.tokens) == 1
        else f"tokens {found.tokens[0]} to {position}; the last one attends"
    )
    text = (
        f"What “{found.word}” ({last}, of {of:,}) attends to, in {len(strongest):,} heads of {layers} layer"
        f"{'s' if layers > 1 else ''}, strongest first. Each head's weights sum to 1; “first” is what rests on the "
        "text's first word and “itself” on the word, where a head looks that finds nothing else."
    )
    return wrapped(text, width, "")


def _bar(weight: float) -> str:
    eighths = round(max(0.0, min(1.0, weight)) * _BAR * 8)
    partial = " ▏▎▍▌▋▊▉"[eighths % 8] if eighths % 8 else ""
    return ("█" * (eighths // 8) + partial).ljust(_BAR)


def _cut(word: str, most: int) -> str:
    return word if len(word) <= most else f"{word[: most - 1]}…"
