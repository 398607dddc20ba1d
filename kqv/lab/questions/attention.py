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
from kqv.trace.views.attention import attentions

HEADS = 6
LONGEST = 64  # tokens of a map


@dataclass(frozen=True, eq=False)
class Compared:
    """Maps of all variants, and which heads of them are shown."""

    models: list[Maps]
    heads: list[Head]

    def described(self) -> dict[str, Any]:
        """Variants, heads, and the tokens on the axes."""
        if not self.models:
            return {"variants": [], "heads": []}
        first = self.models[0].attentions
        return {
            "variants": [maps.label for maps in self.models],
            "heads": [
                {
                    "module": first[head.attention].module, "heading": first[head.attention].heading, "head": head.head,
                    "gap": head.gap, "queries": list(first[head.attention].queries[:LONGEST]),
                    "keys": list(first[head.attention].keys[:LONGEST]),
                }
                for head in self.heads
            ],
        }  # fmt: skip

    def map_of(self, variant: str, number: int) -> npt.NDArray[np.float32]:
        """The weights `[query, key]` of a variant in one of the heads."""
        maps = next((maps for maps in self.models if maps.label == variant), None)
        if maps is None or not 0 <= number < len(self.heads):
            known = ", ".join(one.label for one in self.models) or "no model"
            raise Error(f"there is no map {number} of {variant!r}; there are {len(self.heads)} of each of: {known}")
        head = self.heads[number]
        found: npt.NDArray[np.float32] = maps.attentions[head.attention].weights[head.head].float().cpu().numpy()
        return found[:LONGEST, :LONGEST]


Tracing = Callable[[Callable[[], Trace | None]], Trace | None]


def compared(folder: Folder, tracing: Tracing) -> Compared:
    """Trace the first seed's model of each variant, and take the heads that differ most from the baseline's.

    `tracing(make)` makes a trace when no other is made. Nothing where the models have no attention, or attentions that
    cannot be laid side by side.
    """
    settled = folder.settled()
    if settled is None:
        return Compared([], [])
    system, models = system_named(folder.question.system), []
    for variant in settled.variants:
        run = folder.run(variant, 1)
        trace = tracing(lambda run=run: trace_of(system, run, Watcher())) if run.model_file.is_file() else None  # type: ignore[misc]
        if trace is not None:
            models.append(Maps(variant.label, attentions(trace)))
    if len(models) < 2 or not comparable(models):
        return Compared([], [])
    return Compared(models, most_different(models, HEADS))
