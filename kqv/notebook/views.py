"""The view of each object that has one, and what a notebook is given of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import display

from kqv.errors import Error
from kqv.experiments.answer import Answer
from kqv.notebook.answer import AnswerView
from kqv.notebook.run import RunView
from kqv.notebook.trace import TraceView
from kqv.notebook.view import View
from kqv.notebook.why import SplitView, WhyView
from kqv.systems.training import Trained
from kqv.trace.trace import Trace
from kqv.training.run import Run
from kqv.viewed import Viewed
from kqv.why.score import ScoreSplit
from kqv.why.token import TokenSplit
from kqv.why.why import Why

VIEWS: dict[type, Callable[..., View]] = {
    Trace: TraceView,
    Run: RunView,
    Answer: AnswerView,
    Why: WhyView,
    ScoreSplit: SplitView,
    TokenSplit: SplitView,
    Trained: lambda trained, **choices: RunView(trained.run, **choices),
}

MOST = 8
"""So many objects that a notebook showed by itself are kept for their views; what `widget()` made is the caller's."""

_shown: OrderedDict[int, tuple[Viewed, View]] = OrderedDict()
_followed: dict[Any, int] = {}
"""Runs whose views were shown while they changed, and in which execution of a cell."""


def widget_of(thing: Viewed, **choices: Any) -> View:
    """A new view of an object. Raises `Error` for choices that it does not have."""
    return VIEWS[type(thing)](thing, **choices)


def bundle_of(thing: Viewed) -> Any:
    """What a notebook shows of an object; nothing for a trace that still records, and for a run that this cell shows
    already."""
    if isinstance(thing, Trace) and (thing.is_recording or not len(thing)):
        return {}
    run = thing.run if isinstance(thing, Trained) else thing
    if isinstance(run, Run) and _followed.get(run.path) == _execution():
        return {}
    found = _shown[id(thing)][1] if id(thing) in _shown else widget_of(thing)
    _shown[id(thing)] = (thing, found)
    _shown.move_to_end(id(thing))
    while len(_shown) > MOST:
        _shown.popitem(last=False)[1][1].close()
    found_bundle = found._repr_mimebundle_()
    data = found_bundle[0] if isinstance(found_bundle, tuple) else found_bundle
    return {name: content for name, content in (data or {}).items() if name != "text/plain"}


@contextmanager
def followed(thing: Viewed) -> Iterator[None]:
    """Show the view of a run, which follows it inside. Raises `Error` for what cannot be followed."""
    found = widget_of(thing)
    if not isinstance(found, RunView):
        raise Error(f"the view of {type(thing).__name__} cannot follow it")
    _followed[found.of.path] = _execution()
    found.follow()
    display(found)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        found.rest()


def _execution() -> int:
    """Which execution of a cell this is."""
    return int(getattr(get_ipython(), "execution_count", 0))
