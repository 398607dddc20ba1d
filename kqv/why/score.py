"""An attention score as a sum: what each part put into the query times what each part put into the key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from kqv.arithmetic import number
from kqv.trace.views.text import terminal_width, wrapped
from kqv.viewed import Viewed
from kqv.why.parts import Part
from kqv.why.text import HONESTLY, closing, percent, table


@dataclass(frozen=True)
class PairTerm:
    """What one part at the query and one at the key put into a score together."""

    query: Part
    key: Part
    value: float


@dataclass(frozen=True, eq=False)
class ScoreSplit(Viewed):
    """One score, `value`, which became `weight`, as Σ `terms[query part, key part]`: exact up to rounding, with norm
    factors held as they were.

    `cell` as it is typed; `module`, `head`, and where and on which words the query and the key stand. With `against`,
    the word of another key of that query, it is the difference of the two scores: why the one rather than the other.
    """

    cell: str
    module: str
    head: int
    query: int
    key: int
    query_word: str
    key_word: str
    value: float
    weight: float
    query_parts: tuple[Part, ...]
    key_parts: tuple[Part, ...]
    terms: Tensor
    against: str | None = None

    @property
    def sum(self) -> float:
        """Σ of all terms, in float64."""
        return float(self.terms.sum())

    @property
    def size(self) -> float:
        """Σ|terms|: the measure of what rounding may do, and of what cancels."""
        return float(self.terms.abs().sum())

    def largest(self, most: int = 10) -> list[PairTerm]:
        """So many terms, the largest first."""
        flat = self.terms.flatten()
        found = flat.abs().topk(min(most, flat.numel())).indices.tolist()
        width = len(self.key_parts)
        return [PairTerm(self.query_parts[at // width], self.key_parts[at % width], float(flat[at])) for at in found]

    @property
    def of_query(self) -> list[tuple[Part, float]]:
        """What each part at the query does with the whole key, the largest first."""
        return _sorted(self.query_parts, self.terms.sum(1))

    @property
    def of_key(self) -> list[tuple[Part, float]]:
        """What each part at the key does with the whole query, the largest first."""
        return _sorted(self.key_parts, self.terms.sum(0))

    @property
    def of_part(self) -> list[tuple[Part, float]]:
        """All terms in which a part stands, at the query, at the key or at both, the largest first."""
        at_key = {part.name: column for column, part in enumerate(self.key_parts)}
        found = {
            part.name: (part, value) for part, value in zip(self.key_parts, self.terms.sum(0).tolist(), strict=True)
        }
        for row, part in enumerate(self.query_parts):
            value = float(self.terms[row].sum())
            if part.name in at_key:  # the term at both is in the row and in the column
                value += found[part.name][1] - float(self.terms[row, at_key[part.name]])
            found[part.name] = part, value
        return sorted(found.values(), key=lambda one: -abs(one[1]))

    def as_dict(self) -> dict[str, Any]:
        """All of it for JSON."""
        return {
            "cell": self.cell, "attention": self.module, "head": self.head, "query": self.query, "key": self.key,
            "query_word": self.query_word, "key_word": self.key_word, "against": self.against, "value": self.value,
            "weight": self.weight,
            "sum": self.sum, "sum_of_sizes": self.size, "query_parts": [part.as_dict() for part in self.query_parts],
            "key_parts": [part.as_dict() for part in self.key_parts], "terms": self.terms.tolist(),
        }  # fmt: skip

    def text(self, width: int | None = None, most: int = 10) -> str:
        """The table for a terminal of this width (by default the one that is there), with so many terms."""
        return score_text(self, width, most)

    def __str__(self) -> str:
        return self.text()


def _sorted(parts: tuple[Part, ...], values: Tensor) -> list[tuple[Part, float]]:
    return sorted(zip(parts, values.tolist(), strict=True), key=lambda one: -abs(one[1]))


def score_text(split: ScoreSplit, width: int | None = None, most: int = 10) -> str:
    """The largest terms, the rest as one line, the sum beside the shown value; then each side by itself."""
    width = terminal_width(width)
    query, key = (
        f"query of “{split.query_word}” (token {split.query})",
        f"key of “{split.key_word}” (token {split.key})",
    )
    less = "" if split.against is None else f", less how well it fits that of “{split.against}”"
    weight = f" (weight {percent(split.weight)})" if split.against is None else ""
    counts = f"{len(split.query_parts)} parts at the query × {len(split.key_parts)} at the key"
    heading = (
        f"{split.cell} = {number(split.value)}{weight}: how well the {query} fits the {key}{less}. It is the sum of "
        f"{counts}, with norm factors held as they were:"
    )
    terms = split.largest(most)
    rows = [(term.value, term.query.words, f"× {term.key.words}") for term in terms]
    heads = ("", f"at the query “{split.query_word}”", f"× at the key “{split.key_word}”")
    lines = [*wrapped(heading, width, ""), "", *table(heads, rows, width)]
    lines += closing(split, [term.value for term in terms], split.terms.numel() - len(terms))
    sides = (("query", "key", split.query_word, split.of_query), ("key", "query", split.key_word, split.of_key))
    for own, other, word, parts in sides:
        lines += ["", f"each part at the {own} “{word}” with the whole {other}:"]
        lines += table(None, [(value, part.words, "") for part, value in parts[: max(1, most // 2)]], width)
    return "\n".join([*lines, "", *wrapped(HONESTLY, width, "")])
