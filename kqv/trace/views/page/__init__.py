"""One self-contained HTML page of a trace: every tensor as a picture, every number with its name, many explained."""

from __future__ import annotations

import json
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from kqv.files import make_folder, write_text
from kqv.trace.views.page.content import page_content

if TYPE_CHECKING:
    from kqv.trace.trace import Trace


_SCRIPTS = (
    "cells.js", "numbers.js", "answers.js", "heatmap.js", "ranking.js", "sentence.js", "inspector.js", "page.js",
)  # fmt: skip


def write_html(
    trace: Trace, path: str | Path, command: str = "kqv trace", cells: int = 600, elements: int = 65_536,
    word: str | None = None, everything: bool = False,
) -> Path:  # fmt: skip
    """Write the page; it needs no network and no other file.

    Each number whose arithmetic takes numbers that the page holds is explained there. Of the others, `cells` limits how
    many have a stored explanation, and for the rest `command` is shown; `elements` limits how many numbers of each
    tensor the page holds (of a larger one the first positions along each dimension). A page
    has room for about 700,000 numbers, some 4 MB: of many blocks a few are shown whole and of the others the attention
    weights, of a large vocabulary the tokens with the largest logits. `word` is the one of a text (where it was
    annotated with its tokens) whose attention is shown first; by default the last. `everything`: of a model of a few
    hundred weights, all numbers are written out side by side, and each is explained, whatever `cells` says. Raises
    `TraceError` for a word that the text has not.
    """
    path = Path(path)
    make_folder(path.parent)
    write_text(path, page_html(trace, command, cells, elements, word, everything))
    return path


def page_html(
    trace: Trace, command: str = "kqv trace", cells: int = 600, elements: int = 65_536, word: str | None = None,
    everything: bool = False,
) -> str:  # fmt: skip
    """The page as text."""
    content = page_content(trace, command, cells, elements, word, everything)
    model = content["model"] or "operations"
    data = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # nothing in the data can end the script element or start a comment
    data = data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    parts = {
        "TITLE": escape(f"{model}: a trace"),
        "STYLE": _asset("page.css"),
        "SCRIPT": "\n".join(map(_asset, _SCRIPTS)),
        "DATA": data,
    }
    before, *pieces = _asset("page.html").split("{{")
    return before + "".join(parts[name] + rest for name, _, rest in (piece.partition("}}") for piece in pieces))


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
