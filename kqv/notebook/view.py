"""What all views share: the built module, the language, the theme, and messages that are answered."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from kqv.errors import Error
from kqv.lab.pages import STATIC, require_pages
from kqv.notebook.asking import Questions, answer

LANGUAGES, THEMES = ("", "en", "de"), ("auto", "light", "dark")


def script() -> str:
    """The module that draws the views; `Error` where it was not built."""
    require_pages()
    return (STATIC / "widget.js").read_text(encoding="utf-8")


class View(anywidget.AnyWidget):
    """A view in a cell's output.

    `language`: "en" or "de", else the browser's; `theme`: "light" or "dark", else the notebook's. Both can be changed
    while the view is shown.
    """

    _esm = script()

    view = traitlets.Unicode().tag(sync=True)
    language = traitlets.Enum(LANGUAGES, "").tag(sync=True)
    theme = traitlets.Enum(THEMES, "auto").tag(sync=True)

    def __init__(self, **choices: Any) -> None:
        unknown = sorted(choices.keys() - set(self.trait_names()))
        if unknown:
            raise Error(f"this view has no {', '.join(map(repr, unknown))}; it has: {', '.join(self.own_choices())}")
        try:
            super().__init__(**choices)
        except traitlets.TraitError as failure:
            raise Error(f"cannot show this: {failure}") from None
        self.on_msg(self._asked)

    def own_choices(self) -> list[str]:
        """What can be chosen of it."""
        return ["language", "theme"]

    def answering(self) -> Questions:
        """What it can be asked."""
        return {}

    def _asked(self, _: Any, asked: Any, buffers: Any) -> None:
        said = answer(self.answering(), asked)
        if said is not None:
            self.send(said[0], said[1])
