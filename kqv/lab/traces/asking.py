"""A trace of one of the lab's models, as `kqv trace` makes it."""

from __future__ import annotations

import re
from dataclasses import astuple

from kqv.errors import Error
from kqv.lab.state import Lab
from kqv.lab.traces.kept import KeptTrace
from kqv.systems.system import TraceAsked, Watcher, kind_named

_NUMBERS = re.compile(r"[\d +]+")  # what reads no text could take other words for the name of a file


def trace_model(lab: Lab, model: str, asked: TraceAsked) -> KeptTrace:
    """The trace of a model on an input; the model is loaded anew for it, so that no other use of it is disturbed.

    One that was asked for before is given again, unless the run was trained further meanwhile.
    """
    source = lab.models.source(model)
    kind = kind_named(source.system)
    if kind.why is None and not kind.compares and asked.input is not None and not _NUMBERS.fullmatch(asked.input):
        raise Error(f"a page asks a {kind.name} model for a test picture by its number, or for a sum such as 12+34")
    changed = 0.0 if source.run is None else source.run.changed
    about = {"model": source.name, "system": kind.name, "asked": asked.input, "training": asked.training}
    return lab.traces.record(lambda: kind.trace(source, asked, Watcher()), (model, changed, astuple(asked)), about)
