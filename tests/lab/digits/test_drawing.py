"""A drawing of the page becomes the same input as the same picture in a file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from kqv.data.digits import load_digits
from kqv.data.pictures import Grey, prepare_picture
from kqv.errors import DataError
from kqv.lab.digits.drawing import LARGEST, drawing_of, example_picture, prepare_drawing, prepare_file

SIDE = 280


def seven() -> Grey:
    """A seven in ink on paper, as a canvas has it."""
    image = Image.new("L", (SIDE, SIDE), 255)
    ImageDraw.Draw(image).line([(70, 60), (210, 60), (120, 230)], fill=20, width=20, joint="curve")
    return np.asarray(image)


def as_sent(grey: Grey) -> bytes:
    return (grey.astype(np.float32) / 255).astype("<f4").tobytes()


def as_png(grey: Grey) -> bytes:
    content = io.BytesIO()
    Image.fromarray(grey).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize("shape", [(28, 28), (8, 8)])
def test_a_drawing_is_prepared_like_a_file(shape: tuple[int, int]) -> None:
    drawn = prepare_drawing(as_sent(seven()), SIDE, SIDE, shape)
    assert drawn.picture.shape == shape
    np.testing.assert_array_equal(drawn.picture, prepare_picture(as_png(seven()), shape))
    np.testing.assert_array_equal(drawn.picture, prepare_file(as_png(seven()), shape).picture)
    assert len(drawn.steps) > 3


def test_classify_says_the_same_of_the_drawing(trained_run: Path, tmp_path: Path) -> None:
    from kqv.cli.main import app
    from kqv.lab.digits.lesson import open_lesson, recognise, said_of, show
    from kqv.training.run import Run

    file = tmp_path / "seven.png"
    file.write_bytes(as_png(seven()))
    said: dict[str, Any] = json.loads(
        CliRunner().invoke(app, ["classify", str(trained_run), str(file), "--json"]).stdout
    )["pictures"][0]
    lesson = open_lesson(Run(trained_run))
    show(lesson, prepare_drawing(as_sent(seven()), SIDE, SIDE, lesson.shape))
    for found in (said_of(lesson), recognise(lesson, lesson.prepared.picture)):  # type: ignore[union-attr]
        assert lesson.model.classes[found.position] == said["class"]
        np.testing.assert_allclose(found.probabilities, list(said["probabilities"].values()), rtol=1e-5, atol=1e-7)


def test_what_is_no_drawing_is_refused() -> None:
    content = bytearray(as_sent(seven()))
    with pytest.raises(DataError, match="313,600 bytes of float32; got 313,596"):
        drawing_of(bytes(content[:-4]), SIDE, SIDE)
    with pytest.raises(DataError, match=f"1 to {LARGEST} rows"):
        drawing_of(b"", 100_000, 100_000)
    for wrong, words in ((np.nan, "1 grey values .* NaN"), (np.inf, "NaN or infinite"), (1.5, "got .* to 1.5")):
        content[:4] = np.float32(wrong).tobytes()
        with pytest.raises(DataError, match=words):
            drawing_of(bytes(content), SIDE, SIDE)


def test_an_empty_canvas_and_a_file_that_is_no_picture_are_refused() -> None:
    with pytest.raises(DataError, match="the drawing is empty"):
        prepare_drawing(as_sent(np.full((SIDE, SIDE), 255, np.uint8)), SIDE, SIDE, (28, 28))
    with pytest.raises(DataError, match="not a readable picture"):
        prepare_file(b"no picture", (28, 28))


def test_a_test_picture_stays_as_it_is() -> None:
    data = load_digits(None)
    found = example_picture(data, 5)
    np.testing.assert_array_equal(found.picture, data.test.pixels[5])
    assert (found.label, found.number) == (int(data.test.labels[5]), 5)
    with pytest.raises(DataError, match="there is no test picture"):
        example_picture(data, len(data.test))
