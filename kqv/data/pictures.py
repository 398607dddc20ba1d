"""From any picture to a digit as the networks know it: grey, light on dark, of one shape.

Two steps, each a function of its own: `read_picture` decodes a file into grey values, `fit_to_shape` turns them light
on dark, cuts out the ink and puts it into the middle of the wanted shape. `prepare_picture` does both.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kqv.data.box import SMALL, box_of, centred, counted, in_box, thickened
from kqv.data.ink import Grey, Ink, Strength, background_of, darker_side, difference, ink_of, is_dark_on_light
from kqv.errors import DataError
from kqv.files.reading import read_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "Grey", "Ink", "Step", "fit_to_shape", "is_dark_on_light", "prepare_picture", "prepare_steps", "read_picture",
    "steps_to_shape",
]  # fmt: skip

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
MOST_PIXELS = 64_000_000  # a phone's largest photograph; what claims more is taken for a decompression bomb
LARGEST_SIDE = 1024  # a photograph is reduced to this first: faster, and it averages the paper's noise away
LEAST_CONTRAST = 16  # between paper and ink, in grey values: less is taken for an empty picture


@dataclass(frozen=True, eq=False)
class Step:
    """One of the pictures on the way to the prepared one: its name, its bytes [row, column], and why it is made."""

    name: str
    picture: Grey
    why: str


def prepare_picture(
    source: str | Path | bytes, shape: tuple[int, int] = (28, 28), *, ink: Ink = "auto", name: str = ""
) -> Grey:
    """A picture as pixels [row, column] of the given `shape` (rows, columns): 0 is background, 255 the strongest ink.

    `source` is a path, or the content of a picture file, which errors then call `name`. `ink` says whether the ink is
    darker or lighter than the background; "auto" decides by the border. A picture that has the wanted shape already
    keeps its pixels where they are. Raises `DataError` like `read_picture` and `fit_to_shape`.
    """
    return prepare_steps(source, shape, ink=ink, name=name)[-1].picture


def prepare_steps(
    source: str | Path | bytes, shape: tuple[int, int] = (28, 28), *, ink: Ink = "auto", name: str = ""
) -> tuple[Step, ...]:
    """All pictures on the way of `prepare_picture`, with the same arguments and errors; the last is what it gives."""
    name = name or ("the picture" if isinstance(source, bytes) else os.fspath(source))
    return steps_to_shape(read_picture(source, name), shape, ink=ink, name=name)


def read_picture(source: str | Path | bytes, name: str) -> Grey:
    """The grey values [row, column] of a picture file: 0 is black, 255 white.

    Turns the picture as its EXIF orientation says, lays transparent parts over white, takes the first frame of an
    animation, and scales 16-bit values to 8 bits. Colour becomes luma (ITU-R 601).

    Raises `DataError`: unreadable file, no picture or one in an unknown format, damaged picture, too many pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        content = source if isinstance(source, bytes) else read_bytes(source)
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}") from error
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            image.load()
            return _grey(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise DataError(f"{name} is not a readable picture; give one of {', '.join(FORMATS)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name} has more than {MOST_PIXELS:,} pixels; give a smaller picture") from error
    except Exception as error:  # what Pillow raises in the middle of a damaged file depends on the format
        raise DataError(f"{name} is a damaged picture ({error}); save it again") from error


def fit_to_shape(grey: Grey, shape: tuple[int, int], *, ink: Ink = "auto", name: str = "the picture") -> Grey:
    """Grey values [row, column] of any size as ink of the given `shape` (rows, columns), light on dark, 0 to 255.

    The last of `steps_to_shape`. Raises `DataError` for a picture without ink.
    """
    return steps_to_shape(grey, shape, ink=ink, name=name)[-1].picture


def steps_to_shape(
    grey: Grey, shape: tuple[int, int], *, ink: Ink = "auto", name: str = "the picture"
) -> tuple[Step, ...]:
    """The pictures between grey values [row, column] of any size and ink of the given `shape` (rows, columns).

    The background is taken away, the ink cut out, brought into the box `shape` less its margin (4 pixels around for
    28×28) with its proportions kept and its pixels averaged, and its centre of mass put into the middle; thin strokes
    are thickened first. Small shapes are made as the embedded 8×8 digits are (`kqv.data.box.counted`).

    Raises `DataError` for a picture without ink.
    """
    background = background_of(grey)
    lightness = difference(grey, background)
    dark = darker_side(lightness) if ink == "auto" else ink == "dark"
    if float((-lightness if dark else lightness).max()) < LEAST_CONTRAST:
        raise DataError(f"{name} is empty: nothing in it is {_darker(ink)} than its background; give one with a digit")
    side = "dark on light" if dark else "light on dark"
    first = Step("grey", grey, f"what the file holds; the ink is {side}")
    if grey.shape == shape:
        turned = np.bitwise_not(grey) if dark else grey
        return first, Step("light on dark", turned, f"it has {shape[0]}×{shape[1]} pixels already, which stay in place")
    strength = ink_of(lightness, background, dark)
    rows, columns = np.flatnonzero(strength.any(axis=1)), np.flatnonzero(strength.any(axis=0))
    cut = strength[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    taken = (
        first,
        Step("light on dark", as_bytes(strength), "the background taken away, with uneven light, noise and specks"),
        Step("cut out", as_bytes(cut), "the ink alone: where it stood and how large it was does not matter"),
    )
    if min(shape) < SMALL:
        why = "set upright on a bitmap, where each pixel counts a block of 4×4, as in the embedded digits"
        return *taken, Step("counted", counted(cut, shape), why)
    box = box_of(shape)
    thick = thickened(cut, box)
    why = "into the box that ink fills, proportions kept" + ("" if thick is cut else "; thin strokes made wider")
    boxed = in_box(thick, box)
    why_centred = "its centre of mass in the middle, as in MNIST"
    return *taken, Step("scaled", boxed, why), Step("centred", centred(boxed, shape), why_centred)


def as_bytes(strength: Strength) -> Grey:
    """Strength from 0 to 1 as bytes."""
    return np.round(strength * 255).astype(np.uint8)


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
