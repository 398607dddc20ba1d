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


_SCRIPTS = ("numbers.js", "heatmap.js", "inspector.js", "page.js")


def write_html(
    trace: Trace, path: str | Path, command: str = "kqv trace", cells: int = 1000, elements: int = 65_536
) -> Path:
    """Write the page; it needs no network and no other file.

    `command` is shown for numbers whose arithmetic is not stored; `cells` limits how many are, `elements` how many
    numbers of each tensor the page holds at most (of a larger one the first places along each dimension).
    """
    path = Path(path)
    make_folder(path.parent)
    write_text(path, page_html(trace, command, cells, elements))
    return path


def page_html(trace: Trace, command: str = "kqv trace", cells: int = 1000, elements: int = 65_536) -> str:
    """The page as text."""
    content = page_content(trace, command, cells, elements)
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
