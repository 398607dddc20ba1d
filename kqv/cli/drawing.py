"""Pictures in the terminal: two rows of pixels in one row of characters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SHADES = " ░▒▓█"


def drawn(picture: npt.NDArray[np.uint8]) -> str:
    """A picture `[row, column]` of bytes as text: two characters a pixel when small, else half blocks' brightness."""
    rows, columns = picture.shape
    if columns <= 16:
        return "\n".join("".join(2 * SHADES[min(4, int(value) * 5 // 256)] for value in row) for row in picture)
    paired = np.pad(picture, ((0, rows % 2), (0, 0)))
    lines = []
    for upper, lower in zip(paired[0::2], paired[1::2], strict=True):
        lines.append("".join(_half(int(a) > 96, int(b) > 96) for a, b in zip(upper, lower, strict=True)).rstrip())
    return "\n".join(lines)


def reduced(picture: npt.NDArray[np.uint8], most: int = 56) -> npt.NDArray[np.uint8]:
    """A picture `[row, column]` for drawing: at most so many pixels a side, proportions kept, from 0 to 255."""
    from PIL import Image

    if max(picture.shape) <= most:
        return _full_contrast(picture)
    rows, columns = (max(1, round(side * most / max(picture.shape))) for side in picture.shape)
    return _full_contrast(np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BOX)))


def _full_contrast(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    if picture.min() == picture.max():
        return picture
    above = picture.astype(np.int64) - int(picture.min())
    return (above * 255 // max(1, int(above.max()))).astype(np.uint8)


def _half(upper: bool, lower: bool) -> str:
    return "█" if upper and lower else "▀" if upper else "▄" if lower else " "


def side_by_side(pictures: list[str], width: int | None = None, gap: int = 3) -> str:
    """Drawn pictures next to each other; where a `width` is given, the first ones, as many as fit into it."""
    parts: list[list[str]] = []
    for picture in pictures:
        lines = picture.split("\n")
        used = sum(gap + max(map(len, part)) for part in parts)
        if width is not None and parts and used + max(map(len, lines)) > width:
            break
        parts.append(lines)
    height = max(len(lines) for lines in parts)
    widths = [max(len(line) for line in lines) for lines in parts]
    padded = [lines + [""] * (height - len(lines)) for lines in parts]
    rows = zip(*padded, strict=True)
    return "\n".join(
        (" " * gap).join(line.ljust(width) for line, width in zip(row, widths, strict=True)) for row in rows
    )
