"""Objects that a notebook shows as a view to click in, where the extra `notebook` is installed; else as their text."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from kqv.errors import Error

_VIEWS = "kqv.notebook.views"
"""What knows the view of each object; it stands above all of them, so it is imported by name, when one is wanted."""


class Viewed:
    """An object with a view of its own in a notebook."""

    def widget(self, **choices: Any) -> Any:
        """The view as a widget, to keep it and to ask it what is chosen; `language`: "en" or "de", `theme`: "light" or
        "dark", else the notebook's. Raises `Error` without the extra `notebook`."""
        return _views().widget_of(self, **choices)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        """What a notebook is given in addition to the text; nothing where no view can be."""
        if not in_notebook():
            return {}
        try:
            return _views().bundle_of(self)
        except Error:
            return {}


@contextmanager
def shown_while(thing: Viewed, wanted: bool = True) -> Iterator[None]:
    """Show the view of something that changes inside, in a notebook that can; it follows until the end."""
    if not wanted or not in_notebook():
        yield
        return
    try:
        shown = _views().followed(thing)
    except Error:
        yield
        return
    with shown:
        yield


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def _views() -> Any:
    if find_spec("anywidget") is None:
        raise Error('a view in a notebook needs anywidget: pip install "kqv[notebook]"')
    return import_module(_VIEWS)
