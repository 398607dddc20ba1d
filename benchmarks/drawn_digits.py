"""Digits as people draw and photograph them: what `kqv classify` makes of pictures that are not in MNIST's form.

    python benchmarks/drawn_digits.py RUN --count 50 --seeds 10

Each seed takes other test digits of MNIST, draws each of them in every style below, writes the drawings as PNG or JPEG
files and reads them with `prepare_picture`, as `kqv classify` does. Beside each style stands what it costs against the
same digits as MNIST has them. `--split validation` is for making choices, `--keep FOLDER` keeps the drawings.

    plain         on a sheet of 100 to 900 pixels a side, with sharp edges, black on white
    thick         a broad pen: the digit dilated by 0.3 to 0.8 of MNIST's pixels
    thin          a fine pen: thinned to its middle line, drawn with 0.3 to 1.2 of MNIST's pixels
    off-centre    anywhere on the sheet, also small
    rotated       by up to 12 degrees
    inverted      light on dark
    photographed  uneven light and a vignette, grey ink, sensor noise, slight blur, JPEG's artefacts
    everything    all of these at once, half of them inverted, a third each with thick, thin and own strokes
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from kqv.data.box import dilated
from kqv.data.digits import Pictures, load_digits
from kqv.data.pictures import Grey, prepare_picture

if TYPE_CHECKING:
    from kqv.models.recogniser import Recogniser

Ink = npt.NDArray[np.float32]  # [row, column]: 0 is paper, 1 is ink

STYLES = ("plain", "thick", "thin", "off-centre", "rotated", "inverted", "photographed", "everything")
UPSCALED = 10  # drawing pixels for each of MNIST's
SHARPNESS = 4  # how steeply the smooth edge of an upscaled digit is cut: the edge of a pen


@dataclass(frozen=True)
class Traits:
    """How one digit is drawn."""

    pen: str = "own"
    off_centre: bool = False
    rotated: bool = False
    inverted: bool = False
    photographed: bool = False


def traits_of(style: str, chance: np.random.Generator) -> Traits:
    """What a style means for one digit."""
    if style != "everything":
        return Traits(
            pen=style if style in ("thick", "thin") else "own", off_centre=style == "off-centre",
            rotated=style == "rotated", inverted=style == "inverted", photographed=style == "photographed",
        )  # fmt: skip
    pen = str(chance.choice(["thick", "thin", "own"]))
    return Traits(pen, off_centre=True, rotated=True, inverted=bool(chance.random() < 0.5), photographed=True)


def draw(digit: Grey, traits: Traits, chance: np.random.Generator) -> bytes:
    """A digit of 28×28 drawn anew, as the content of a PNG file, or of a JPEG file where it is photographed."""
    ink = stroked(digit, traits.pen, chance)
    if traits.rotated:
        angle = float(chance.uniform(-12, 12))
        ink = np.asarray(Image.fromarray(ink).rotate(angle, Image.Resampling.BICUBIC, expand=True)).clip(0, 1)
    sheet = on_sheet(ink, traits.off_centre, chance)
    if traits.photographed:
        return photographed(sheet, traits.inverted, chance)
    grey = np.round(255 * (sheet if traits.inverted else 1 - sheet)).astype(np.uint8)
    return encoded(grey, "PNG")


def stroked(digit: Grey, pen: str, chance: np.random.Generator) -> Ink:
    """The digit on a fine grid with the edges of a pen: its own strokes, dilated ones, or a fine line in their middle.

    A fine pen leaves no gaps, where plain erosion would: so the strokes are thinned to lines, and these drawn.
    """
    size = (digit.shape[1] * UPSCALED, digit.shape[0] * UPSCALED)
    smooth = np.asarray(Image.fromarray(digit).convert("F").resize(size, Image.Resampling.BICUBIC)) / np.float32(255)
    if pen == "thin":
        return dilated(thinned(smooth > 0.5).astype(np.float32), chance.uniform(0.15, 0.6) * UPSCALED)
    ink = np.clip((smooth - 0.5) * SHARPNESS + 0.5, 0, 1).astype(np.float32)
    return dilated(ink, chance.uniform(0.3, 0.8) * UPSCALED) if pen == "thick" else ink


def thinned(ink: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Lines of one pixel in the middle of the strokes (Zhang and Suen 1984, A fast parallel algorithm for thinning)."""
    ink = np.pad(ink, 1)
    while True:
        before = int(ink.sum())
        for step in (0, 1):
            north, east, south, west = (np.roll(ink, shift, axis) for shift, axis in ((1, 0), (-1, 1), (-1, 0), (1, 1)))
            around = [
                north, np.roll(north, -1, 1), east, np.roll(south, -1, 1), south, np.roll(south, 1, 1), west,
                np.roll(north, 1, 1),
            ]  # fmt: skip
            neighbours = sum(part.astype(int) for part in around)
            rises = sum((~a & b).astype(int) for a, b in zip(around, around[1:] + around[:1], strict=True))
            if step == 0:
                edge = ~(north & east & south) & ~(east & south & west)
            else:
                edge = ~(north & east & west) & ~(north & south & west)
            ink = ink & ~((neighbours >= 2) & (neighbours <= 6) & (rises == 1) & edge)
        if int(ink.sum()) == before:
            return ink


def on_sheet(ink: Ink, off_centre: bool, chance: np.random.Generator) -> Ink:
    """The ink, cut out, on an empty sheet: in its middle and filling most of it, or anywhere and maybe small."""
    rows, columns = (np.flatnonzero((ink > 0.1).any(axis=axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (int(side) for side in chance.integers(100, 901, 2))
    share = chance.uniform(0.3, 0.7) if off_centre else chance.uniform(0.6, 0.8)
    factor = share * min(height / cut.shape[0], width / cut.shape[1])
    own = [max(1, round(side * factor)) for side in cut.shape]
    scaled = np.asarray(Image.fromarray(cut).resize((own[1], own[0]), Image.Resampling.BICUBIC)).clip(0, 1)
    room = [side - part for side, part in zip((height, width), own, strict=True)]
    top, left = (int(chance.uniform(0.04, 0.96) * free) if off_centre else free // 2 for free in room)
    sheet = np.zeros((height, width), np.float32)
    sheet[top : top + own[0], left : left + own[1]] = scaled
    return sheet


def photographed(sheet: Ink, inverted: bool, chance: np.random.Generator) -> bytes:
    """The sheet as a camera sees it: reflected light, uneven and darker to the corners, blurred, noisy, compressed."""
    paper, ink = (chance.uniform(0.08, 0.25), chance.uniform(0.6, 0.9)) if inverted else (
        chance.uniform(0.7, 0.95), chance.uniform(0.1, 0.4)
    )  # fmt: skip
    rows, columns = (np.linspace(-1, 1, side)[:, None] for side in sheet.shape)
    columns = columns.T
    turned = chance.uniform(0, 2 * np.pi)
    shading = 1 + chance.uniform(0, 0.35) * (np.cos(turned) * rows + np.sin(turned) * columns) / np.sqrt(2)
    vignette = 1 - chance.uniform(0, 0.4) * (rows**2 + columns**2) / 2
    light = chance.uniform(0.75, 1.0) * shading * vignette / float((shading * vignette).max())
    seen = Image.fromarray((255 * light * (paper + (ink - paper) * sheet)).astype(np.float32))
    blur = chance.uniform(0, 0.005) * max(sheet.shape)
    # Pillow blurs bytes only; the noise that follows hides the rounding.
    blurred = np.asarray(seen.convert("L").filter(ImageFilter.GaussianBlur(blur)), dtype=np.float64)
    noisy = blurred + chance.normal(0, chance.uniform(2, 10), sheet.shape)
    return encoded(np.round(noisy.clip(0, 255)).astype(np.uint8), "JPEG", quality=int(chance.integers(40, 91)))


def encoded(grey: Grey, form: str, **options: int) -> bytes:
    """The content of a picture file."""
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, form, **options)
    return buffer.getvalue()


def accuracy(model: Recogniser, pixels: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> float:
    """Share of `pixels` [picture, row, column] that the model gets right, in percent."""
    import torch

    said = [int(verdict.label) for verdict in model.classify(torch.from_numpy(pixels))]
    return 100 * float((np.array(said) == labels).mean())


def measure(
    digits: Pictures, shape: tuple[int, int], score: Callable[[Grey, npt.NDArray[np.int64]], float], count: int,
    seed: int, folder: Path,
) -> dict[str, float]:  # fmt: skip
    """Accuracy in percent by style, and of the clean digits, for `count` digits that `seed` chooses."""
    chosen = digits[np.random.default_rng(seed).choice(len(digits), count, replace=False)]
    found = {"clean": score(chosen.pixels, chosen.labels)} if shape == digits.pixels.shape[1:] else {}
    for position, style in enumerate(STYLES):
        chance = np.random.default_rng([seed, position])  # each style its own, so that one more changes no other
        prepared = []
        for number, digit in enumerate(chosen.pixels):
            content = draw(digit, traits_of(style, chance), chance)
            ending = "jpg" if content.startswith(b"\xff\xd8") else "png"
            path = folder / f"{style}-{seed}-{number}-is-{chosen.labels[number]}.{ending}"
            path.write_bytes(content)
            prepared.append(prepare_picture(path, shape))
        found[style] = score(np.stack(prepared), chosen.labels)
    return found


def summary(rows: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """For each style the mean over seeds, its spread (one standard deviation), and what it costs against clean."""
    found = {}
    for style in rows[0]:
        values = [row[style] for row in rows]
        found[style] = {
            "mean": statistics.mean(values), "spread": statistics.stdev(values) if len(values) > 1 else 0.0,
        }  # fmt: skip
        if "clean" in rows[0]:
            found[style]["cost"] = statistics.mean(row["clean"] - row[style] for row in rows)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", help="a run of a digit network")
    parser.add_argument("--count", type=int, default=50, help="digits for each seed")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--split", choices=["test", "validation"], default="test")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the drawings there")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    from kqv.systems.digits.classes import classes_of
    from kqv.systems.digits.trained import load_network
    from kqv.training.run import Run

    run = Run.find(given.run)
    model, shape = load_network(run), (classes_of(run)["rows"], classes_of(run)["columns"])
    digits = getattr(load_digits("mnist"), given.split)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [
            measure(digits, shape, lambda pixels, labels: accuracy(model, pixels, labels), given.count, seed, folder)
            for seed in range(1, given.seeds + 1)
        ]
    found = summary(rows)
    if given.json:
        print(json.dumps({"run": given.run, "split": given.split, "seeds": rows, "styles": found}))
        return
    print(f"{given.run}: {given.count} {given.split} digits drawn in each style, {given.seeds} seeds")
    for style, figures in found.items():
        cost = f"   costs {figures['cost']:5.2f}" if "cost" in figures and style != "clean" else ""
        print(f"  {style:<13} {figures['mean']:6.2f} % ± {figures['spread']:.2f}{cost}")


if __name__ == "__main__":
    main()
