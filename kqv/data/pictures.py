"""From any picture to a digit as the networks know it: grey, light on dark, of one shape.

Two steps, each a function of its own: `read_picture` decodes a file into grey values, `fit_to_shape` turns them light
on dark, cuts out the ink and puts it into the middle of the wanted shape. `prepare_picture` does both.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from kqv.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Grey: TypeAlias = npt.NDArray[np.uint8]
Ink: TypeAlias = Literal["auto", "dark", "light"]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
MOST_PIXELS = 64_000_000  # a phone's largest photograph; what claims more is taken for a decompression bomb
LARGEST_SIDE = 1024  # a photograph is reduced to this first: faster, and it averages the paper's noise away
LEAST_CONTRAST = 16  # between paper and ink, in grey values: less is taken for an empty picture


def prepare_picture(
    source: str | Path | bytes, shape: tuple[int, int] = (28, 28), *, ink: Ink = "auto", name: str = ""
) -> Grey:
    """A picture as pixels [row, column] of the given `shape` (rows, columns): 0 is background, 255 the strongest ink.

    `source` is a path, or the content of a picture file, which errors then call `name`. `ink` says whether the ink is
    darker or lighter than the background; "auto" decides by the border. A picture that has the wanted shape already
    keeps its pixels where they are. Raises `DataError` like `read_picture` and `fit_to_shape`.
    """
    name = name or ("the picture" if isinstance(source, bytes) else os.fspath(source))
    return fit_to_shape(read_picture(source, name), shape, ink=ink, name=name)


def read_picture(source: str | Path | bytes, name: str) -> Grey:
    """The grey values [row, column] of a picture file: 0 is black, 255 white.

    Turns the picture as its EXIF orientation says, lays transparent parts over white, takes the first frame of an
    animation, and scales 16-bit values to 8 bits. Colour becomes luma (ITU-R 601).

    Raises `DataError`: unreadable file, no picture or one in an unknown format, damaged picture, too many pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}") from error
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            image.load()
            return _grey(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise DataError(f"{name} is no picture that can be read; give one of {', '.join(FORMATS)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name} has more than {MOST_PIXELS:,} pixels; give a smaller picture") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error) as error:
        # What Pillow raises in the middle of a damaged file depends on the format.
        raise DataError(f"{name} is a damaged picture ({error}); save it anew") from error


def fit_to_shape(grey: Grey, shape: tuple[int, int], *, ink: Ink = "auto", name: str = "the picture") -> Grey:
    """Grey values [row, column] of any size as ink of the given `shape` (rows, columns), light on dark, 0 to 255.

    The ink is cut out, brought into the box `shape` less its margin (4 pixels around for 28×28, none for 8×8) with its
    proportions kept and its pixels averaged, and its centre of mass put into the middle. The strongest ink becomes 255.

    Raises `DataError` for a picture without ink.
    """
    background = int(np.median(_border(grey)))
    dark = is_dark_on_light(grey) if ink == "auto" else ink == "dark"
    lightness = grey.astype(np.int16) - background
    strength = np.clip(-lightness if dark else lightness, 0, None)
    if strength.max() < LEAST_CONTRAST:
        raise DataError(f"{name} is empty: nothing in it is {_darker(ink)} than its background; give one with a digit")
    if grey.shape == shape:
        return np.bitwise_not(grey) if dark else grey
    strength[strength < _noise(grey, background, int(strength.max()))] = 0
    rows, columns = np.flatnonzero(strength.any(axis=1)), np.flatnonzero(strength.any(axis=0))
    cut = strength[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _centre(_scale(cut.astype(np.float32), _box(shape)), shape)


def is_dark_on_light(grey: Grey) -> bool:
    """Whether the ink in `grey` [row, column] is darker than its background, which is the border's median.

    The ink is on that side of the background on which the grey values go further.
    """
    background = int(np.median(_border(grey)))
    return background - int(grey.min()) > int(grey.max()) - background


def _darker(ink: Ink) -> str:
    return {"dark": "darker", "light": "lighter", "auto": "darker or lighter"}[ink]


def _grey(image: Image) -> Grey:
    """One decoded picture as grey values [row, column]."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_to_8_bits(np.asarray(image, dtype=np.float64)))
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        on_white = _flatten(layers, 255)
        # White ink on nothing would vanish on white.
        image = on_white if np.ptp(np.asarray(on_white)) >= LEAST_CONTRAST else _flatten(layers, 0)
    image = image.convert("L")
    if max(image.size) > LARGEST_SIDE:
        image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.BOX)
    return np.array(image, dtype=np.uint8)


def _flatten(layers: Image, paper: int) -> Image:
    from PIL import Image

    return Image.alpha_composite(Image.new("RGBA", layers.size, (paper, paper, paper, 255)), layers).convert("L")


def _to_8_bits(values: npt.NDArray[np.float64]) -> Grey:
    """Grey values of 16 bits, or numbers from 0 to 1, as bytes."""
    values = np.nan_to_num(values)
    highest = float(values.max())
    full = 1.0 if highest <= 1 else 255.0 if highest <= 255 else 65535.0
    return np.round(np.clip(values / full, 0, 1) * 255).astype(np.uint8)


def _border(grey: Grey) -> Grey:
    """The outermost twentieth on each side, at least one pixel, in one row."""
    width = max(1, min(grey.shape) // 20)
    inner = np.zeros(grey.shape, dtype=np.bool_)
    inner[width:-width, width:-width] = True
    border: Grey = grey[~inner]
    return border


def _noise(grey: Grey, background: int, strongest: int) -> float:
    """How strong a pixel must be to be ink: more than the border's own spread, between 10 and 50 % of the strongest."""
    spread = float(np.median(np.abs(_border(grey).astype(np.int16) - background)))
    return float(np.clip(8 * spread, 0.1 * strongest, 0.5 * strongest))


def _box(shape: tuple[int, int]) -> tuple[int, int]:
    """The part of `shape` that ink fills: MNIST's 20×20 of 28×28, but all of a small one, as in the 8×8 digits."""
    rows, columns = shape
    if min(shape) < 16:
        return shape
    return rows - 2 * (rows // 7), columns - 2 * (columns // 7)


def _scale(strength: npt.NDArray[np.float32], box: tuple[int, int]) -> Grey:
    """As large as fits into `box` with its proportions kept, each pixel a weighted mean, the strongest one 255."""
    from PIL import Image

    factor = min(box[0] / strength.shape[0], box[1] / strength.shape[1])
    rows, columns = (max(1, round(side * factor)) for side in strength.shape)
    # Pillow's filters widen with the reduction, so none of them skips pixels; which one it is changes little.
    scaled = np.asarray(Image.fromarray(strength).resize((columns, rows), Image.Resampling.BILINEAR))
    return (scaled * (255 / float(scaled.max()))).round().astype(np.uint8)


def _centre(grey: Grey, shape: tuple[int, int]) -> Grey:
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
