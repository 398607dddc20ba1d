"""The attention maps of a question's variants on the same text: the heads that differ most, on one scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kqv.errors import Error
from kqv.experiments.folder import Folder
from kqv.experiments.parting import trace_of
from kqv.plots.compared_attention import Head, Maps, comparable, most_different
from kqv.systems.system import Watcher, system_named
from kqv.trace.trace import Trace
from kqv.trace.views.attention import Attention, attentions

HEADS = 6
LONGEST = 64  # tokens of a map


Weights = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Compared:
    """The heads that are shown, each described, and the maps of each variant's: `[query, key]`, no more than is
    shown, so that the traces they are of need not be kept."""

    heads: list[dict[str, Any]]
    maps: dict[str, list[Weights]]

    def described(self) -> dict[str, Any]:
        """Variants, heads, and the tokens on the axes."""
        return {"variants": list(self.maps), "heads": self.heads}

    def map_of(self, variant: str, number: int) -> Weights:
        """The weights `[query, key]` of a variant in one of the heads."""
        if variant not in self.maps or not 0 <= number < len(self.heads):
            known = ", ".join(self.maps) or "no model"
            raise Error(f"there is no map {number} of {variant!r}; there are {len(self.heads)} of each of: {known}")
        return self.maps[variant][number]


Tracing = Callable[[Callable[[], Trace | None]], Trace | None]
"""Makes a trace when no other is made."""


def compared(folder: Folder, tracing: Tracing) -> Compared:
    """Trace the first seed's model of each variant, and take the heads that differ most from the baseline's.

    `tracing(make)` makes a trace when no other is made. Nothing where the models have no attention, or attentions that
    cannot be laid side by side.
    """
    settled = folder.settled()
    if settled is None:
        return Compared([], {})
    system, models = system_named(folder.question.system), []
    for variant in settled.variants:
        run = folder.run(variant, 1)
        trace = tracing(lambda run=run: trace_of(system, run, Watcher())) if run.model_file.is_file() else None  # type: ignore[misc]
        if trace is not None:
            models.append(Maps(variant.label, attentions(trace)))
    if len(models) < 2 or not comparable(models):
        return Compared([], {})
    heads = most_different(models, HEADS)
    maps = {one.label: [_shown(one.attentions[head.attention], head.head) for head in heads] for one in models}
    return Compared([_described(models[0].attentions[head.attention], head) for head in heads], maps)


def _shown(attention: Attention, head: int) -> Weights:
    """A head's weights as far as they are shown, as numbers of their own."""
    return np.array(attention.weights[head, :LONGEST, :LONGEST].float().cpu().numpy())


def _described(attention: Attention, head: Head) -> dict[str, Any]:
    return {
        "module": attention.module, "heading": attention.heading, "head": head.head, "gap": head.gap,
        "queries": list(attention.queries[:LONGEST]), "keys": list(attention.keys[:LONGEST]),
    }  # fmt: skip
