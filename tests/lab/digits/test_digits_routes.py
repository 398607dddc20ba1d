"""What a page gets over the room's addresses, and what is refused there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from lab_pages import asking

from kqv.lab.digits.drawing import prepare_drawing
from kqv.lab.settings import Settings

SIDE = 64
Numbers = npt.NDArray[np.float32]


@pytest.fixture
def page(runs_by_kind: Path) -> Iterator[TestClient]:
    with asking(Settings(runs=runs_by_kind)) as client:
        yield client


def begin(page: TestClient, run: str = "relu") -> dict[str, Any]:
    answer = page.post("/api/digits/lessons", json={"run": run})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def seven() -> Numbers:
    """Ink on paper, as float32 grey values."""
    paper = np.ones((SIDE, SIDE), "<f4")
    paper[12:18, 14:50] = 0
    for row in range(18, 54):
        paper[row, 44 - row // 2 : 52 - row // 2] = 0
    return paper


def draw(page: TestClient, lesson: str, grey: Numbers, name: str = "drawing") -> Response:
    rows, columns = grey.shape
    return page.post(
        f"/api/digits/lessons/{lesson}/{name}", params={"rows": rows, "columns": columns}, content=grey.tobytes(),
        headers={"content-type": "application/octet-stream"},
    )  # fmt: skip


def unpacked(answer: Response) -> tuple[dict[str, Any], Numbers]:
    """The header, and all numbers behind it."""
    assert answer.status_code == 200, answer.text
    content = answer.content
    length = int.from_bytes(content[:4], "little")
    assert length % 4 == 0
    return json.loads(content[4 : 4 + length]), np.frombuffer(content[4 + length :], "<f4")


def test_a_lesson_says_which_network_it_has(page: TestClient) -> None:
    about = begin(page)
    assert (about["name"], about["shape"], about["data"]) == ("relu", [8, 8], "digits8x8")
    assert about["classes"] == list("0123456789")
    assert page.post("/api/digits/lessons", json={"run": "../relu"}).status_code == 400


def test_a_drawing_goes_forward_back_and_is_learned_from(page: TestClient) -> None:
    lesson = begin(page)["id"]
    header, numbers = unpacked(draw(page, lesson, seven()))
    sizes = [part["sizes"] for part in (*header["steps"], *header["tensors"])]
    assert sum(int(np.prod(size)) for size in sizes) == len(numbers)
    prepared = prepare_drawing(seven().tobytes(), SIDE, SIDE, (8, 8)).picture
    start = sum(int(np.prod(step["sizes"])) for step in header["steps"][:-1])
    np.testing.assert_array_equal(numbers[start : start + 64], prepared.ravel())
    assert header["cost"] is None
    assert not any(tensor["phase"] == "backward" for tensor in header["tensors"])

    glance, picture = unpacked(draw(page, lesson, seven(), "glance"))
    np.testing.assert_array_equal(picture, prepared.ravel())
    at = sum(int(np.prod(size)) for size in sizes[:-1])
    np.testing.assert_allclose(glance["said"]["probabilities"], numbers[at:], rtol=1e-5, atol=1e-7)

    header, _ = unpacked(page.post(f"/api/digits/lessons/{lesson}/label", json={"label": 7}))
    assert header["label"] == 7
    assert header["cost"] > 0
    assert any(tensor["phase"] == "backward" for tensor in header["tensors"])
    assert not header["history"]
    assert header["code"]["backpropagation"]

    header, _ = unpacked(page.post(f"/api/digits/lessons/{lesson}/steps", json={"steps": 3, "rate": 0.05}))
    said = [each["probabilities"][7] for each in header["history"]]
    assert len(said) == 4
    assert said == sorted(said)
    weight = header["layers"][0]["weight"]
    _, new = unpacked(page.get(f"/api/digits/lessons/{lesson}/numbers", params={"tensor": weight, "phase": "update"}))
    cell = page.get(f"/api/digits/lessons/{lesson}/cell", params={"cell": f"update:{weight}[1,20]"}).json()
    assert cell["value"] == pytest.approx(float(new[64 + 20]))
    assert cell["agrees"]
    assert "0.05·" in cell["numbers"]

    header, _ = unpacked(page.post(f"/api/digits/lessons/{lesson}/again"))
    assert len(header["history"]) == 4
    header, _ = unpacked(page.post(f"/api/digits/lessons/{lesson}/reset"))
    assert header["history"] == []


def test_test_pictures_and_files(page: TestClient) -> None:
    lesson = begin(page, "sigmoid")["id"]
    header, _ = unpacked(page.post(f"/api/digits/lessons/{lesson}/example", params={"number": 11}))
    assert header["number"] == 11
    assert header["label"] is not None
    header, numbers = unpacked(page.post(f"/api/digits/lessons/{lesson}/example", params={"kind": "mistake"}))
    said = numbers[-10:]
    assert header["probabilities"] == header["tensors"][-1]["name"]
    assert int(said.argmax()) != header["label"]
    refused = page.post(f"/api/digits/lessons/{lesson}/file", content=b"GIF89a, or so")
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("the picture is")


def test_what_is_refused_is_said_in_one_line(page: TestClient) -> None:
    lesson = begin(page)["id"]
    nan = seven()
    nan[3, 3] = np.nan
    for answer, words in (
        (draw(page, lesson, nan), "NaN or infinite"),
        (draw(page, lesson, np.ones((SIDE, SIDE), "<f4")), "is empty"),
        (draw(page, lesson, np.ones((4, 1000), "<f4")), "rows and columns"),
        (page.post(f"/api/digits/lessons/{lesson}/label", json={"label": 7}), "no picture yet"),
        (page.post(f"/api/digits/lessons/{lesson}/steps", json={"rate": 1e9}), "learning rate"),
        (page.get("/api/digits/lessons/none/cell", params={"cell": "cost"}), "this lesson is over"),
    ):
        assert answer.status_code == 400, answer.text
        assert words in answer.json()["error"]
        assert "\n" not in answer.json()["error"]
    unpacked(draw(page, lesson, seven()))
    missing = page.get(f"/api/digits/lessons/{lesson}/cell", params={"cell": "nothing[0]"})
    assert "has no tensor named 'nothing'" in missing.json()["error"]
    assert page.post(f"/api/digits/lessons/{lesson}/label", json={"label": "seven"}).status_code == 422
    assert draw(page, lesson, np.ones((3000, 3000), "<f4")).status_code == 413


def test_the_oldest_lessons_are_forgotten(page: TestClient) -> None:
    ids = [begin(page)["id"] for _ in range(9)]
    assert len(set(ids)) == 9
    assert "over" in page.post(f"/api/digits/lessons/{ids[0]}/again").json()["error"]
    assert "no picture yet" in page.post(f"/api/digits/lessons/{ids[-1]}/again").json()["error"]
