"""From ink of any size to the format of a set of digits: MNIST's 28×28 with its margin, or the embedded digits' 8×8.

`strength[row, column]` is the ink cut out of its picture, from 0 (background) to 1 (full ink).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kqv.data.ink import Grey, Strength

SMALL = 16  # shapes with a shorter side are made as the embedded digits are
FINE = 8  # pixels for each of the wanted ones while strokes are thickened
THIN = 1.5  # stroke width in pixels of 20 that strokes are thickened from, ...
WANTED = 2.0  # ... and to
BLOCK = 4  # pixels of the bitmap a side that one pixel of a small shape counts
SLIM = 20 / 32  # width of the box in the bitmap of a small shape
INKED = 0.3  # share of that bitmap that is ink


def box_of(shape: tuple[int, int]) -> tuple[int, int]:
    """The part of `shape` (rows, columns) that ink fills: MNIST's 20×20 of 28×28, but all of a small one."""
    rows, columns = shape
    if min(shape) < SMALL:
        return shape
    return rows - 2 * (rows // 7), columns - 2 * (columns // 7)


def stroke_width(strength: Strength) -> float:
    """How wide strokes are on average: a stroke has two edges, so width = 2 · area / length of the edges.

    The edges' length is the sum of the gradient's magnitudes over the picture, which holds for soft edges too.
    """
    padded = np.pad(strength.astype(np.float64), 1)
    down, right = np.diff(padded, axis=0)[:, :-1], np.diff(padded, axis=1)[:-1]
    return 2 * float(padded.sum()) / float(np.hypot(down, right).sum())


def dilated(strength: Strength, radius: float) -> Strength:
    """Every point of ink as a disk: the greatest value within `radius` pixels, on as many more pixels on each side."""
    reach = int(radius)
    rows, columns = strength.shape
    whole = np.zeros((rows + 2 * reach, columns + 2 * reach), dtype=np.float32)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if down**2 + right**2 <= radius**2:
                part = whole[reach + down : reach + down + rows, reach + right : reach + right + columns]
                np.maximum(part, strength, out=part)
    return whole


def resized(strength: Strength, rows: int, columns: int) -> Strength:
    """Strength on another grid; when it is reduced, each pixel is a weighted mean of all that it covers."""
    from PIL import Image

    # Pillow's filters widen with the reduction, so none of them skips pixels; which one it is changes little.
    return np.asarray(Image.fromarray(strength).resize((columns, rows), Image.Resampling.BILINEAR))


def fitted(strength: Strength, box: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the ink when it is as large as fits into `box` with its proportions kept."""
    factor = min(box[0] / strength.shape[0], box[1] / strength.shape[1])
    rows, columns = (max(1, round(side * factor)) for side in strength.shape)
    return rows, columns


def thickened(strength: Strength, box: tuple[int, int]) -> Strength:
    """The ink with strokes that do not vanish in `box`: those thinner than `THIN` of 20 pixels are drawn anew, wider.

    MNIST's own strokes are 2 to 3 pixels wide. Strokes that are not thin stay as they are.
    """
    side = max(box)
    unit = side / 20
    width = stroke_width(strength) * max(fitted(strength, box)) / max(strength.shape)
    if width >= THIN * unit:
        return strength
    fine = resized(strength, *fitted(strength, (FINE * box[0], FINE * box[1])))
    solid = float(np.median(fine[fine >= fine.max() / 2]))
    return dilated(np.minimum(fine / solid, 1).astype(np.float32), FINE * (WANTED * unit - width) / 2)


def in_box(strength: Strength, box: tuple[int, int]) -> Grey:
    """As large as fits into `box` with its proportions kept, the strongest pixel 255."""
    scaled = resized(strength, *fitted(strength, box))
    return (scaled * (255 / float(scaled.max()))).round().astype(np.uint8)


def counted(strength: Strength, shape: tuple[int, int]) -> Grey:
    """Ink as the embedded digits have it: a bitmap of 4 times `shape`, and how many pixels of each 4×4 block are on.

    Alpaydin and Kaynak 1998 (UCI, Optical Recognition of Handwritten Digits): 32×32 bitmaps made by NIST's
    preprocessing, and counts of 0 to 16, here scaled to 0 to 255 as the embedded digits' are. What that preprocessing
    does shows in the digits themselves: they are upright, fill all rows and 20 of 32 columns, and 30 % is ink.
    """
    rows, columns = (BLOCK * side for side in shape)
    slim = round(SLIM * columns)
    left = (columns - slim) // 2
    whole = np.zeros((rows, columns), dtype=np.float32)
    whole[:, left : left + slim] = resized(upright(strength), rows, slim)
    counts = inked(whole > whole.max() / 2).reshape(shape[0], BLOCK, shape[1], BLOCK).sum(axis=(1, 3))
    grey: Grey = ((counts * 255 + BLOCK**2 // 2) // BLOCK**2).astype(np.uint8)
    return grey


def upright(strength: Strength) -> Strength:
    """The ink without its slant: rows moved sideways until columns no longer depend on rows, and cut out anew.

    The slant is columns for each row, Σ m (y − ȳ)(x − x̄) / Σ m (y − ȳ)², with the ink m; at most 45 degrees.
    """
    mass = strength.astype(np.float64)
    y, x = (np.arange(side, dtype=np.float64) for side in strength.shape)
    mean_y, mean_x = mass.sum(axis=1) @ y / mass.sum(), mass.sum(axis=0) @ x / mass.sum()
    spread = float(mass.sum(axis=1) @ (y - mean_y) ** 2)
    slant = float(np.clip((y - mean_y) @ mass @ (x - mean_x) / spread, -1, 1)) if spread else 0.0
    room = int(abs(slant) * len(y)) + 1
    wide = np.pad(strength, ((0, 0), (room, room)))
    positions = np.arange(wide.shape[1])
    rows = [np.interp(positions + slant * (at - mean_y), positions, row) for at, row in zip(y, wide, strict=True)]
    moved = np.stack(rows).astype(np.float32)
    columns = np.flatnonzero((moved > moved.max() / 4).any(axis=0))
    return np.ascontiguousarray(moved[:, columns[0] : columns[-1] + 1])


def inked(bitmap: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The bitmap with strokes dilated or eroded by a pixel at a time until a share of about `INKED` is ink."""
    while True:
        outside = np.pad(~bitmap, 1, constant_values=True).astype(np.float32)
        wider = dilated(bitmap.astype(np.float32), 1)[1:-1, 1:-1] > 0
        finer = dilated(outside, 1)[2:-2, 2:-2] == 0
        best: npt.NDArray[np.bool_] = min((bitmap, wider, finer), key=lambda one: abs(float(one.mean()) - INKED))
        if best is bitmap:
            return bitmap
        bitmap = best


def centred(grey: Grey, shape: tuple[int, int]) -> Grey:
    """`grey` on zeros of the given `shape`, its centre of mass in the middle as far as all of it stays inside.

    LeCun et al., The MNIST database: centred by computing the centre of mass of the pixels.
    """
    whole = np.zeros(shape, dtype=np.uint8)
    mass = grey.astype(np.float64)
    corner = []
    for axis, (size, own) in enumerate(zip(shape, grey.shape, strict=True)):
        along = mass.sum(axis=1 - axis)
        centre = float((along * (np.arange(own) + 0.5)).sum() / along.sum())
        corner.append(min(max(0, round(size / 2 - centre)), size - own))
    top, left = corner
    whole[top : top + grey.shape[0], left : left + grey.shape[1]] = grey
    return whole
