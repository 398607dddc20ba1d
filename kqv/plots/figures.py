"""What all figures share: how they look, and how one becomes a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kqv.errors import Error
from kqv.files import require_writable, written_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
DPI = 150

# Okabe and Ito's colours, which people with any common colour blindness can tell apart.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"

STYLE: Any = {
    "font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left", "axes.titleweight": "bold",
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": GREY,
    "svg.hashsalt": "kqv", "text.parse_math": False,
}  # fmt: skip


def check_ending(path: Path) -> None:
    """Raise `Error` unless a figure can be written there, so that nobody computes for nothing."""
    if path.suffix.lower() not in FORMATS:
        raise Error(f"cannot tell the format of the figure {path} by its ending; end it in {', '.join(FORMATS)}")
    if path.is_dir():
        raise Error(f"cannot write the figure {path}: a folder stands there; give the name of a file")
    if not path.parent.is_dir():
        raise Error(f"cannot write the figure {path}: there is no folder {path.parent}; make it first")
    require_writable(path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the path's ending, atomically. Raises `Error` as `check_ending` and for a disk
    that refuses."""
    from matplotlib import rc_context

    check_ending(path)
    form = path.suffix.lower()[1:]
    metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form, {})
    with rc_context(STYLE), written_atomically(path) as file:
        figure.savefig(file, format=form, dpi=DPI, metadata=metadata, facecolor="white")


def shortened(name: str, most: int = 12) -> str:
    """A class name that fits under an axis: its beginning and its end, where names often differ."""
    return name if len(name) <= most else f"{name[: most // 2]}…{name[-(most - most // 2 - 1) :]}"
