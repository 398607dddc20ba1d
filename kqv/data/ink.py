"""Where the ink of a picture is: its background estimated and taken away, noise and specks too.

What is left is the strength of the ink, `strength[row, column]` from 0 (background) to 1 (full ink).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Grey: TypeAlias = npt.NDArray[np.uint8]
Strength: TypeAlias = npt.NDArray[np.float32]
Ink: TypeAlias = Literal["auto", "dark", "light"]

EVEN = 2  # grey values that most of the border may differ by on a background that needs no fit
COARSE = 64  # longest side of the reduced picture on which the light is fitted
FITS = 12  # rounds in which the fit of the light turns away from the ink; more change nothing
DARKEST = 24.0  # grey values added to a dark background that light ink is divided by: black divides nothing
SPECK = 0.04  # parts with a smaller share of the largest part's ink are no strokes


def background_of(grey: Grey) -> npt.NDArray[np.float32]:
    """The grey values that the picture would have without ink, of `grey`'s shape.

    The border's median where the border is even; else a smooth light, fitted as a polynomial of second degree in row
    and column: a lamp from one side is its linear part, a camera's vignette its quadratic one.
    """
    border = border_of(grey)
    low, high = np.percentile(border, (10, 90))
    if high - low <= EVEN:
        return np.full(grey.shape, np.median(border), dtype=np.float32)
    return _fitted_light(grey)


def border_of(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The outermost twentieth on each side, at least one pixel, in one row."""
    width = max(1, min(values.shape) // 20)
    inner = np.zeros(values.shape, dtype=np.bool_)
    inner[width:-width, width:-width] = True
    border: npt.NDArray[Any] = values[~inner]
    return border


def _fitted_light(grey: Grey) -> npt.NDArray[np.float32]:
    """Least squares whose weights fall with the distance from the fit (Cauchy's: Holland and Welsch 1977, Robust
    regression using iteratively reweighted least-squares), so that the ink, which lies far from it, counts for little.
    It begins on the border, where there is least ink."""
    from PIL import Image

    factor = min(1.0, COARSE / max(grey.shape))
    rows, columns = (max(3, round(side * factor)) for side in grey.shape)
    coarse = np.asarray(Image.fromarray(grey).resize((columns, rows), Image.Resampling.BOX), dtype=np.float64)
    terms, values = _terms(rows, columns).reshape(6, -1).T, coarse.ravel()
    inner = np.zeros((rows, columns), dtype=np.bool_)
    inner[1 + rows // 16 : -1 - rows // 16, 1 + columns // 16 : -1 - columns // 16] = True
    allowed = ~inner.ravel()
    weights = allowed.astype(np.float64)
    for turn in range(FITS):
        root = np.sqrt(weights)
        light = terms @ np.linalg.lstsq(terms * root[:, None], values * root, rcond=None)[0]
        distance = np.abs(values - light)
        scale = max(1.0, 1.5 * float(np.median(distance[allowed])))
        weights = 1 / (1 + (distance / scale) ** 2)
        if turn < FITS // 3:
            weights *= allowed
    coefficients = np.linalg.lstsq(terms * np.sqrt(weights)[:, None], values * np.sqrt(weights), rcond=None)[0]
    whole = np.tensordot(coefficients, _terms(*grey.shape), axes=1)
    return np.clip(whole, 0, 255).astype(np.float32)


def _terms(rows: int, columns: int) -> npt.NDArray[np.float64]:
    """1, y, x, y², xy, x² at the middle of every pixel, [term, row, column]; the picture reaches from −1 to 1."""
    y, x = ((2 * np.arange(side) + 1) / side - 1 for side in (rows, columns))
    y, x = np.broadcast_arrays(y[:, None], x[None, :])
    return np.stack([np.ones_like(y), y, x, y * y, x * y, x * x])


def is_dark_on_light(grey: Grey) -> bool:
    """Whether the ink in `grey` [row, column] is darker than its background.

    The ink is on that side of the background on which the grey values go further.
    """
    return darker_side(difference(grey, background_of(grey)))


def darker_side(lightness: Strength) -> bool:
    """Whether `lightness`, grey values above the background, goes further down than up."""
    return float(-lightness.min()) > float(lightness.max())


def difference(grey: Grey, background: npt.NDArray[np.float32]) -> Strength:
    """Grey values above the background, smoothed as far as the paper is noisy and the picture large."""
    lightness = grey - background
    spread = spread_of(lightness)
    reach = min(round(spread), min(grey.shape) // 100)
    return smoothed(lightness, reach) if reach else lightness


def spread_of(lightness: Strength) -> float:
    """The noise of the paper: the median distance from the background along the border."""
    return float(np.median(np.abs(border_of(lightness).astype(np.float32))))


def smoothed(values: Strength, reach: int) -> Strength:
    """Each pixel as the mean of the square that reaches so many pixels to each side; the edge's pixels go on."""
    for axis in (0, 1):
        padding = [(reach + 1, reach) if own == axis else (0, 0) for own in (0, 1)]
        total = np.cumsum(np.pad(values, padding, mode="edge"), axis=axis, dtype=np.float64)
        end, start = (np.arange(values.shape[axis]) + offset for offset in (2 * reach + 1, 0))
        values = ((total.take(end, axis) - total.take(start, axis)) / (2 * reach + 1)).astype(np.float32)
    return values


def ink_of(lightness: Strength, background: npt.NDArray[np.float32], dark: bool) -> Strength:
    """The strength of the ink from 0 to 1, full where half of its pixels are stronger; noise and specks are 0.

    Paper and ink reflect shares of the light that falls on them, so the difference is divided by the background.
    """
    even = float(np.ptp(background)) == 0
    light = 1.0 if even else background + (1.0 if dark else DARKEST)
    strength = np.clip(-lightness if dark else lightness, 0, None) / light
    full = float(np.median(strength[strength >= strength.max() / 2]))
    noise = 8 * spread_of(lightness / light) / full
    strength = np.minimum(strength / full, 1).astype(np.float32)
    strength[strength < min(max(noise, 0.1), 0.5)] = 0
    return without_specks(strength)


def without_specks(strength: Strength) -> Strength:
    """The strokes alone: connected parts with less than a small share of the largest part's ink become background."""
    lines, starts, ends, parts = connected_runs(strength > 0)
    if not len(parts):
        return strength
    total = np.concatenate(([0.0], np.cumsum(strength, dtype=np.float64)))
    columns = strength.shape[1]
    masses = np.bincount(parts, total[lines * columns + ends] - total[lines * columns + starts])
    kept = strength.copy()
    for run in np.flatnonzero((masses < SPECK * masses.max())[parts]):
        kept[lines[run], starts[run] : ends[run]] = 0
    return kept


def connected_runs(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], ...]:
    """The runs of true pixels in each row, as arrays: row, first column, column after the last, and which connected
    part it belongs to (touching corners connect), counted from 0."""
    steps = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    lines, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    parent = list(range(len(lines)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = run = parent[parent[run]]
        return run

    first = np.searchsorted(lines, np.arange(len(mask) + 1)).tolist()
    begin, finish = starts.tolist(), ends.tolist()
    for line in range(1, len(mask)):
        above, below = first[line - 1], first[line]
        while above < first[line] and below < first[line + 1]:
            if begin[above] <= finish[below] and begin[below] <= finish[above]:
                parent[root(below)] = root(above)
            if finish[above] < finish[below]:
                above += 1
            else:
                below += 1
    parts = np.unique([root(run) for run in range(len(parent))], return_inverse=True)[1]
    return lines, starts, ends, parts.astype(np.int64)
