"""The trace of any model on an input, as `kqv trace` makes it."""

from __future__ import annotations

from pathlib import Path

from kqv.systems.source import find_model, run_source
from kqv.systems.system import TraceAsked, Watcher, kind_named
from kqv.trace.trace import Trace
from kqv.training.run import Run


def traced(
    model: str | Path | Run, input: str | None = None, *, label: str | None = None, training: bool = False,
    like: str | None = None,
) -> Trace:  # fmt: skip
    """The trace of a model on an input: forward, backward, and of a run the step of learning too.

        trace = kqv.traced("runs/gpt-1", "To be or not to be")
        print(trace.cell("blocks.0.attention.scores[0,0,5,1]"))

    `model`: as `kqv.load` takes it, or a run. `input`: a text, the number of a test picture, `12+34` for the adder;
    without it the held-out data's beginning. `label`, `training`, `like`: as the options of `kqv trace`. Raises `Error`
    for an input that the model cannot read, `RunError` and `DataError` as `kqv.load`.
    """
    source = run_source(model) if isinstance(model, Run) else find_model(model)
    return kind_named(source.system).trace(source, TraceAsked(input, label, training, like), Watcher()).trace
