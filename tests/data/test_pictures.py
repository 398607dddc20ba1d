"""Preparing a picture: what is decoded, which side is ink, and where it comes to lie."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kqv.data import pictures
from kqv.data.box import stroke_width
from kqv.data.ink import background_of, connected_runs
from kqv.data.pictures import Grey, Ink, fit_to_shape, is_dark_on_light, prepare_picture, prepare_steps, read_picture
from kqv.errors import DataError

ORIENTATION = 0x0112  # EXIF's tag


def encode(array: np.ndarray[Any, Any] | Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """The content of a picture file."""
    buffer = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(buffer, form, **options)
    return buffer.getvalue()


def seven(rows: int = 60, columns: int = 50, paper: int = 255, ink: int = 0) -> Grey:
    """A 7 in the upper right of a larger sheet: 20 rows × 12 columns of ink, 3 pixels wide."""
    grey = np.full((rows, columns), paper, np.uint8)
    top, left = 4, columns - 18
    grey[top : top + 3, left : left + 12] = ink
    grey[top : top + 20, left + 9 : left + 12] = ink
    return grey


def extent(pixels: Grey) -> tuple[int, int, int, int]:
    """First and last row, first and last column that have ink."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def size(pixels: Grey) -> tuple[int, int]:
    """Rows and columns from the first to the last that have ink."""
    top, bottom, left, right = extent(pixels)
    return bottom - top + 1, right - left + 1


def centre_of_mass(pixels: Grey) -> tuple[float, float]:
    """Where the ink would balance, in rows and columns from the upper left corner."""
    mass = pixels.astype(float) / pixels.sum()
    rows, columns = (np.arange(side) + 0.5 for side in pixels.shape)
    return float(mass.sum(axis=1) @ rows), float(mass.sum(axis=0) @ columns)


# Where the ink comes to lie


def test_ink_fills_20_rows_and_its_centre_of_mass_is_in_the_middle() -> None:
    pixels = fit_to_shape(seven(), (28, 28))
    assert pixels.shape == (28, 28)
    assert pixels.dtype == np.uint8
    assert size(pixels) == (20, 12)  # 20 rows × 12 columns keep their proportions
    assert centre_of_mass(pixels) == pytest.approx((14, 14), abs=0.5)
    # The ink had just the box's size, so not one pixel is blurred.
    top, _, left, _ = extent(pixels)
    assert np.array_equal(pixels[top : top + 20, left : left + 12], 255 - seven()[4:24, 32:44])


@pytest.mark.parametrize("factor", [1, 2, 7])
def test_size_and_position_on_the_sheet_do_not_matter(factor: int) -> None:
    large = np.kron(seven(), np.ones((factor, factor), np.uint8))
    moved = np.roll(large, (15 * factor, -20 * factor), (0, 1))
    assert np.array_equal(fit_to_shape(moved, (28, 28)), fit_to_shape(large, (28, 28)))
    assert size(fit_to_shape(large, (28, 28))) == (20, 12)


def test_a_heavy_corner_leaves_all_ink_inside() -> None:
    grey = np.full((100, 100), 255, np.uint8)
    grey[0:90, 50] = grey[89, 0:90] = 0
    grey[70:90, 0:20] = 0
    pixels = fit_to_shape(np.pad(grey, 10, constant_values=255), (16, 28))
    assert size(pixels)[0] == 16 - 2 * (16 // 7)


def test_a_wide_picture_fills_the_columns() -> None:
    assert size(fit_to_shape(np.ascontiguousarray(seven().T), (28, 28))) == (12, 20)


def test_small_shapes_count_the_ink_in_blocks() -> None:
    # All rows, but 20 of 32 columns in the middle: whole pixels 2 to 5, halves of 1 and 6.
    pixels = fit_to_shape(seven(), (8, 8))
    assert (pixels[:, [0, 7]] == 0).all()
    assert size(pixels)[0] == 8
    assert set(np.unique(pixels)) <= {(count * 255 + 8) // 16 for count in range(17)}


@pytest.mark.parametrize("thickness", [2, 6, 14])
def test_small_shapes_have_the_ink_of_the_embedded_digits(thickness: int) -> None:
    from kqv.data.digits import load_digits

    grey = np.full((120, 100), 255, np.uint8)
    grey[10 : 10 + thickness, 20:70] = grey[10:100, 70 - thickness : 70] = grey[100 - thickness : 100, 20:70] = 0
    embedded = load_digits().train.pixels / 255
    share = fit_to_shape(grey, (8, 8)).mean() / 255
    assert share == pytest.approx(embedded.mean(), abs=2 * embedded.mean(axis=(1, 2)).std())


def test_a_slanted_stroke_is_set_upright_for_small_shapes() -> None:
    rows = np.arange(80)
    grey = np.full((100, 120), 255, np.uint8)
    for row in rows:
        grey[10 + row, 90 - row // 2 : 96 - row // 2] = 0
    upright = fit_to_shape(grey, (8, 8)).astype(float)
    middles = (upright @ np.arange(8)) / upright.sum(axis=1)
    assert np.ptp(middles) < 0.5


def test_shapes_need_not_be_square() -> None:
    assert fit_to_shape(seven(), (32, 16)).shape == (32, 16)


def test_reduction_averages_every_pixel() -> None:
    # Stripes of one pixel become an even grey; taking single pixels would give black or white.
    grey = np.full((220, 220), 255, np.uint8)
    grey[10:210:2, 10:210] = 0
    inner = fit_to_shape(grey, (28, 28))[6:22, 6:22].astype(int)
    assert inner.min() > 200
    assert np.ptp(inner) < 30


def test_a_single_pixel_of_ink_is_enough() -> None:
    grey = np.full((50, 50), 255, np.uint8)
    grey[7, 9] = 0
    assert extent(fit_to_shape(grey, (28, 28))) == (4, 23, 4, 23)


def test_far_apart_specks_do_not_vanish() -> None:
    grey = np.full((1000, 1000), 255, np.uint8)
    grey[10, 10] = grey[990, 990] = 0
    assert fit_to_shape(grey, (28, 28)).max() == 255


def test_a_picture_of_the_wanted_shape_keeps_its_pixels() -> None:
    light = np.random.default_rng(0).integers(0, 256, (28, 28)).astype(np.uint8)
    light[[0, -1]] = light[:, [0, -1]] = 0
    assert np.array_equal(fit_to_shape(light, (28, 28)), light)
    assert np.array_equal(fit_to_shape(255 - light, (28, 28)), light)


def test_ink_of_grey_values_is_stretched_to_255() -> None:
    faint = fit_to_shape(seven(paper=180, ink=100), (28, 28))
    assert np.array_equal(faint, fit_to_shape(seven(), (28, 28)))


def test_noise_of_the_paper_is_not_ink() -> None:
    noise = np.random.default_rng(0).normal(0, 6, (60, 50))
    noisy = np.clip(seven(paper=180, ink=60) + noise, 0, 255).astype(np.uint8)
    pixels = fit_to_shape(noisy, (28, 28))
    assert size(pixels) == (20, 12)
    top, _, left, _ = extent(pixels)
    assert pixels[top + 4 : top + 20, left : left + 8].max() == 0, "the paper under the bar of the 7 is background"


# Light, noise and strokes


def lit(grey: Grey, strength: float) -> Grey:
    """`grey` under a lamp from the left, with a vignette: the far corners lose more than `strength` of their light."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in grey.shape), indexing="ij")
    light = (1 - strength * (1 + x) / 2) * (1 - strength * (x**2 + y**2) / 4)
    return np.round(grey * light).astype(np.uint8)


@pytest.mark.parametrize(("paper", "ink"), [(230, 60), (40, 230)])
@pytest.mark.parametrize("strength", [0.2, 0.4, 0.6])
def test_uneven_light_changes_little(paper: int, ink: int, strength: float) -> None:
    large = np.kron(seven(paper=paper, ink=ink), np.ones((5, 5), np.uint8))
    shaded, plain = (fit_to_shape(grey, (28, 28)) for grey in (lit(large, strength), large))
    assert np.abs(shaded.astype(int) - plain).mean() < 4
    assert is_dark_on_light(lit(large, strength)) == (ink < paper)


def test_the_background_of_a_lit_sheet_is_its_light() -> None:
    sheet = lit(np.full((300, 250), 240, np.uint8), 0.5)
    drawn = sheet.copy()
    drawn[100:200, 80:120] = 30
    # The product of lamp and vignette is of third degree, so the fit of second degree is off by a little.
    assert np.abs(background_of(drawn) - sheet).max() < 0.05 * 240


def test_specks_are_no_strokes_but_parts_of_a_digit_are() -> None:
    large = np.kron(seven(), np.ones((5, 5), np.uint8))
    dusty = large.copy()
    dusty[280:284, 10:14] = dusty[150, 3] = 0
    assert np.array_equal(fit_to_shape(dusty, (28, 28)), fit_to_shape(large, (28, 28)))
    parted = np.full((100, 100), 255, np.uint8)
    parted[20:80, 40:46] = parted[20:26, 60:80] = 0
    assert size(fit_to_shape(parted, (28, 28))) == (20, 13)


@pytest.mark.parametrize("mask", [np.eye(6, dtype=bool), np.random.default_rng(1).random((40, 30)) < 0.4])
def test_connected_parts_are_those_of_a_reference(mask: np.ndarray[Any, Any]) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    lines, starts, ends, parts = connected_runs(mask)
    found = np.full(mask.shape, -1)
    for line, start, end, part in zip(lines, starts, ends, parts, strict=True):
        found[line, start:end] = part
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    assert (found >= 0).tolist() == mask.tolist()
    assert len(set(zip(found[mask].tolist(), labels[mask].tolist(), strict=True))) == count == parts.max() + 1


@pytest.mark.parametrize("width", [1, 3, 8])
def test_fine_lines_of_a_large_drawing_become_strokes(width: int) -> None:
    grey = np.full((800, 700), 255, np.uint8)
    grey[100:700, 300 : 300 + width] = grey[100 : 100 + width, 300:500] = 0
    pixels = fit_to_shape(grey, (28, 28))
    assert 1.4 < stroke_width(pixels / np.float32(255)) < 2.6
    assert np.median(pixels[8:20].max(axis=1)) > 200


@pytest.mark.parametrize("width", [2, 5, 12])
def test_the_width_of_strokes_is_measured(width: int) -> None:
    stroke = np.zeros((200, 40), np.float32)
    stroke[10:190, 10 : 10 + width] = 1
    assert stroke_width(stroke) == pytest.approx(width, rel=0.1)


def test_steps_end_with_the_prepared_picture() -> None:
    content = encode(lit(np.kron(seven(), np.ones((5, 5), np.uint8)), 0.4))
    for shape, names in (
        ((28, 28), ["grey", "light on dark", "cut out", "scaled", "centred"]),
        ((8, 8), ["grey", "light on dark", "cut out", "counted"]),
        ((300, 250), ["grey", "light on dark"]),
    ):
        steps = prepare_steps(content, shape)
        assert [step.name for step in steps] == names
        assert all(step.picture.dtype == np.uint8 and step.why for step in steps)
        assert np.array_equal(steps[-1].picture, prepare_picture(content, shape))
        assert np.array_equal(steps[0].picture, read_picture(content, "x"))


# Which side is ink


@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (0, 255), (200, 120), (120, 200), (90, 10), (150, 250)])
def test_polarity_is_decided_by_the_border(paper: int, ink: int) -> None:
    grey = seven(paper=paper, ink=ink)
    assert is_dark_on_light(grey) == (ink < paper)
    assert np.array_equal(fit_to_shape(grey, (28, 28)), fit_to_shape(seven(), (28, 28)))


def test_polarity_holds_when_most_of_the_picture_is_ink() -> None:
    grey = np.full((40, 40), 255, np.uint8)
    grey[4:36, 4:36] = 0
    assert is_dark_on_light(grey)


def test_polarity_can_be_given() -> None:
    # A grey sheet with both black and white on it: each is found when it is asked for.
    grey = np.full((60, 60), 128, np.uint8)
    grey[10:30, 10:30] = 0
    grey[35:55, 45:50] = 250
    found: dict[Ink, tuple[int, int]] = {ink: size(fit_to_shape(grey, (28, 28), ink=ink)) for ink in ("dark", "light")}
    assert found == {"dark": (20, 20), "light": (20, 5)}


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_picture_without_ink_is_refused(value: int) -> None:
    for shape in ((40, 40), (28, 28)):
        with pytest.raises(DataError, match="sheet is empty: nothing in it is darker or lighter than its background"):
            fit_to_shape(np.full(shape, value, np.uint8), (28, 28), name="sheet")
    with pytest.raises(DataError, match="nothing in it is lighter"):
        fit_to_shape(seven(), (28, 28), ink="light")


# What is decoded


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF", "TIFF", "PPM"])
def test_formats_without_loss_give_the_same_pixels(form: str) -> None:
    assert np.array_equal(read_picture(encode(seven(), form), "x"), seven())


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_formats_with_loss_give_nearly_the_same(form: str) -> None:
    large = np.kron(seven(), np.ones((4, 4), np.uint8))
    pixels = prepare_picture(encode(large, form, quality=90))
    assert np.abs(pixels.astype(int) - prepare_picture(encode(large))).mean() < 6


def test_a_path_and_its_content_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "seven.png"
    path.write_bytes(encode(seven()))
    pixels = prepare_picture(path)
    assert np.array_equal(pixels, prepare_picture(str(path)))
    assert np.array_equal(pixels, prepare_picture(path.read_bytes()))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_exif_orientation_is_obeyed(orientation: int, form: str) -> None:
    upright = np.kron(seven(), np.ones((4, 4), np.uint8))
    # How the camera stores a picture that each orientation turns upright (EXIF 2.3, table of tag 274).
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    grey = read_picture(encode(np.ascontiguousarray(stored), form, exif=exif), "x")
    assert grey.shape == upright.shape
    assert np.abs(grey.astype(int) - upright).mean() < 3


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_white_paper(mode: str) -> None:
    # Black everywhere; only the alpha channel knows the 7.
    layers = np.zeros((60, 50, len(mode)), np.uint8)
    layers[..., -1] = 255 - seven()
    assert np.array_equal(read_picture(encode(Image.fromarray(layers)), "x"), seven())


def test_transparency_in_a_palette_is_white_paper() -> None:
    image = Image.fromarray((seven() == 0).astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 0, 0, 0])
    assert np.array_equal(read_picture(encode(image, transparency=0), "x"), seven())


def test_white_ink_on_transparency_does_not_vanish() -> None:
    layers = np.full((60, 50, 4), 255, np.uint8)
    layers[..., 3] = 255 - seven()
    assert np.array_equal(prepare_picture(encode(layers)), fit_to_shape(seven(), (28, 28)))


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bits_are_scaled_to_8(form: str) -> None:
    deep = (np.arange(0, 65536, 64, dtype=np.uint16)).reshape(32, 32)
    grey = read_picture(encode(deep, form), "x")
    assert np.array_equal(grey, np.round(deep / 257).astype(np.uint8))


@pytest.mark.parametrize("numbers", [np.int32, np.float32])
def test_wide_numbers_are_scaled_too(numbers: type[np.int32] | type[np.float32]) -> None:
    full = 1 if numbers is np.float32 else 65535
    wide = (seven() / 255 * full).astype(numbers)
    assert np.array_equal(read_picture(encode(wide, "TIFF"), "x"), seven())


def test_colour_black_and_white_and_palettes_are_read() -> None:
    image = Image.fromarray(seven())
    for mode in ("1", "P", "RGB", "CMYK"):
        form = "TIFF" if mode == "CMYK" else "PNG"
        assert np.array_equal(read_picture(encode(image.convert(mode), form), "x"), seven()), mode
    red_on_white = np.stack([np.full((60, 50), 255, np.uint8), seven(), seven()], axis=2)
    assert np.array_equal(prepare_picture(encode(red_on_white)), fit_to_shape(seven(), (28, 28)))


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.fromarray(seven()), Image.fromarray(255 - seven())]
    content = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.array_equal(read_picture(content, "x"), seven())


def test_a_photograph_is_reduced_first() -> None:
    large = np.kron(seven(), np.ones((60, 60), np.uint8))
    assert max(read_picture(encode(large), "x").shape) == pictures.LARGEST_SIDE
    assert np.abs(prepare_picture(encode(large)).astype(int) - fit_to_shape(seven(), (28, 28))).mean() < 6


# What is refused


def test_what_is_no_picture_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "letter.png"
    path.write_bytes(b"Dear reader, ...")
    with pytest.raises(DataError, match=r"letter.png is not a readable picture; give one of PNG, JPEG"):
        prepare_picture(path)
    with pytest.raises(DataError, match=r"^the picture is not a readable picture"):
        prepare_picture(b"")
    with pytest.raises(DataError, match=r"^your drawing is not a readable picture"):
        prepare_picture(b"", name="your drawing")


def test_formats_that_run_programs_are_not_opened() -> None:
    with pytest.raises(DataError, match="is not a readable picture"):
        prepare_picture(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "TIFF"])
def test_a_truncated_picture_is_refused(form: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 80)).astype(np.uint8)
    content = encode(noise, form)
    with pytest.raises(DataError, match=r"^photo.x is (a damaged picture|no picture)"):
        read_picture(content[: len(content) // 2], "photo.x")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.png cannot be read: No such file or directory"):
        prepare_picture(tmp_path / "none.png")
    with pytest.raises(DataError, match="cannot be read: "):
        prepare_picture(tmp_path)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8_001, 10_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    with pytest.raises(DataError, match=r"bomb.png has more than 64,000,000 pixels; give a smaller picture"):
        read_picture(png_header(side, side), "bomb.png")


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow also warns of what it skips
def test_damage_anywhere_in_a_file_never_escapes_as_another_error() -> None:
    chance = np.random.default_rng(0)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    for form in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"):
        content = encode(seven(), form, **({} if form in ("GIF", "BMP") else {"exif": exif}))
        for _ in range(100):
            damaged = bytearray(content)
            for position in chance.integers(0, min(200, len(content)), 3):
                damaged[position] = chance.integers(0, 256)
            with contextlib.suppress(DataError):
                prepare_picture(bytes(damaged))
