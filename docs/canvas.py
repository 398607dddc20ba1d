"""A small canvas for the guide's diagrams: shapes in, one plain SVG out, readable on a light and on a dark ground."""

from __future__ import annotations

from html import escape

STYLE = """
.card{fill:#fdfcf9;stroke:#e2ded4}
.ink{fill:#1d2228}.quiet{fill:#5d6670}.forward{fill:#0b5394}.backward{fill:#b5430f}
.cell{fill:#ffffff;stroke:#a9b0b8}.sheet{fill:#f1efe9;stroke:#a9b0b8}.unseen{fill:#d9d6ce;stroke:#a9b0b8}
.asks{fill:#f2a36f;stroke:#a9b0b8}.asked{fill:#7fb4e3;stroke:#a9b0b8}.both{fill:#7c5aa6;stroke:#a9b0b8}
.box{fill:#eaf1f8;stroke:#0b5394}.back{fill:#fbeee6;stroke:#b5430f}.part{fill:#f1efe9;stroke:#8a919a}
.line{stroke:#5d6670;fill:none}.there{stroke:#0b5394;fill:none}.home{stroke:#b5430f;fill:none}
@media (prefers-color-scheme:dark){
.card{fill:#171b20;stroke:#343b44}
.ink{fill:#eceae5}.quiet{fill:#a7afb8}.forward{fill:#8cc1f2}.backward{fill:#f5a477}
.cell{fill:#20262d;stroke:#5b6570}.sheet{fill:#2a313a;stroke:#5b6570}.unseen{fill:#3a4149;stroke:#5b6570}
.asks{fill:#c26a32;stroke:#5b6570}.asked{fill:#2f77b5;stroke:#5b6570}.both{fill:#a98bd0;stroke:#5b6570}
.box{fill:#1c2b3a;stroke:#8cc1f2}.back{fill:#38261b;stroke:#f5a477}.part{fill:#2a313a;stroke:#7d8791}
.line{stroke:#a7afb8}.there{stroke:#8cc1f2}.home{stroke:#f5a477}
}
text{font-family:system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;font-size:13px}
.mono{font-family:ui-monospace,"SFMono-Regular","DejaVu Sans Mono",monospace;font-size:12px}
.small{font-size:11px}.tiny{font-size:10px}.strong{font-weight:600}.title{font-weight:600;font-size:15px}
"""
_HEADS = {"line": "quiet", "there": "forward", "home": "backward"}


class Canvas:
    """What is drawn, in drawing order; `description` is read to those who cannot see it."""

    def __init__(self, width: int, height: int, description: str) -> None:
        self.width, self.height, self.description = width, height, description
        self.drawn: list[str] = []
        self.box(0.5, 0.5, width - 1, height - 1, "card", round=10)

    def text(self, x: float, y: float, words: str, kind: str = "ink", anchor: str = "start") -> None:
        where = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.drawn.append(f'<text x="{x:g}" y="{y:g}" class="{kind}"{where}>{escape(words)}</text>')

    def box(self, x: float, y: float, wide: float, high: float, kind: str, round: float = 0) -> None:
        corner = f' rx="{round:g}"' if round else ""
        self.drawn.append(f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" class="{kind}"{corner}/>')

    def labelled(self, x: float, y: float, wide: float, high: float, kind: str, *lines: tuple[str, str]) -> None:
        """A box with lines of text (words, kind) in its middle."""
        self.box(x, y, wide, high, kind, round=5)
        first = y + high / 2 - 8 * (len(lines) - 1) + 4.5
        for number, (words, style) in enumerate(lines):
            self.text(x + wide / 2, first + 16 * number, words, style, "middle")

    def line(self, *points: tuple[float, float], kind: str = "line", width: float = 1.5, dashed: bool = False) -> None:
        path = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        self.drawn.append(f'<path d="{path}" class="{kind}" stroke-width="{width:g}"{dashes}/>')

    def arrow(self, *points: tuple[float, float], kind: str = "line", width: float = 1.5, dashed: bool = False) -> None:
        """A line whose last piece, level or upright, ends in a head."""
        (x0, y0), (x, y) = points[-2:]
        dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
        self.line(*points[:-1], (x - 6 * dx, y - 6 * dy), kind=kind, width=width, dashed=dashed)
        base, side = (x - 8 * dx, y - 8 * dy), (4.5 * dy, 4.5 * dx)
        corners = [(x, y), (base[0] + side[0], base[1] + side[1]), (base[0] - side[0], base[1] - side[1])]
        outline = "M" + "L".join(f"{a:g} {b:g}" for a, b in corners) + "Z"
        self.drawn.append(f'<path d="{outline}" class="{_HEADS[kind]}"/>')

    def table(
        self, x: float, y: float, rows: int, columns: int, cell: float,
        marked: dict[tuple[int, int], str] | None = None, sheets: int = 1,
    ) -> None:  # fmt: skip
        """A table of numbers `[rows, columns]` with some cells in other kinds; `sheets` of them behind one another."""
        wide, high = columns * cell, rows * cell
        for sheet in reversed(range(1, sheets)):
            self.box(x + 5 * sheet, y - 5 * sheet, wide, high, "sheet")
        self.cells("cell", [(x + cell * c, y + cell * r, cell, cell) for r in range(rows) for c in range(columns)
                            if (r, c) not in (marked or {})])  # fmt: skip
        for kind in dict.fromkeys((marked or {}).values()):
            at = [place for place, its in (marked or {}).items() if its == kind]
            self.cells(kind, [(x + cell * c, y + cell * r, cell, cell) for r, c in at])

    def cells(self, kind: str, areas: list[tuple[float, float, float, float]], fill: str = "") -> None:
        """Many rectangles of one kind in one path."""
        path = "".join(f"M{x:g} {y:g}h{wide:g}v{high:g}h{-wide:g}z" for x, y, wide, high in areas)
        look = f'fill="{fill}"' if fill else f'class="{kind}"'
        self.drawn.append(f'<path d="{path}" {look}/>')

    def svg(self) -> str:
        size = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}"'
        label = escape(self.description, quote=True)
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{label}">'
        return "\n".join([head, f"<style>{STYLE}</style>", *self.drawn, "</svg>", ""])
