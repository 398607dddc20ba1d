"""The shapes of models, asked for by a page."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

import kqv
from kqv.lab.settings import Settings
from kqv.systems.adder.recipes import adder_2
from kqv.systems.sketches import sketch_named
from kqv.trace.shapes import shapes_of


def asked(client: TestClient, model: str, /, **sizes: int) -> dict[str, Any]:
    answer = client.post("/api/shapes", json={"model": model, "sizes": sizes})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_there_are_recipes_published_models_and_the_labs_own(client: TestClient, lab_settings: Settings) -> None:
    kqv.train("adder", recipe=adder_2(), steps=1, out=lab_settings.runs / "adding")
    found = client.get("/api/shapes").json()
    assert "gpt/nanogpt-cpu" in found["recipes"]["gpt"]
    assert {"name": "gpt3-175b", "title": "GPT-3 175B"} in found["published"]
    assert found["models"] == ["adding"]
    assert asked(client, "adding")["sizes"]["digits"] == 2


def test_every_tensor_of_a_model_with_its_dimensions_once(client: TestClient) -> None:
    found = asked(client, "gpt2-124m", batch=2, position=5)
    shapes = shapes_of(sketch_named("gpt2-124m").changed({"batch": 2, "position": 5}).trace())
    assert found["parameters"] == shapes.parameters
    assert found["blocks"] == {"blocks.0": 12}
    told = {tensor["name"]: tensor for tensor in found["tensors"]}
    assert len(told) == len(found["tensors"])
    assert not any(name.startswith("blocks.1") for name in told)
    for shape in shapes.tensors:
        if shape.block not in shapes.folded:
            one = told[shape.name]
            assert (tuple(one["dimensions"]), tuple(one["sizes"])) == (shape.dimensions, shape.sizes)
            assert set(one["dimensions"]) <= set(found["dimensions"])
    assert told["logits"]["sizes"] == [2, 5, 50_257]
    assert sum(part["parameters"] for part in found["parts"]) == found["parameters"]


def test_sizes_that_follow_are_told_with_the_usual_ones(client: TestClient) -> None:
    found = asked(client, "gpt2-124m", model=96, position=3)
    assert (found["sizes"]["channel"], found["usual"]["channel"]) == (8, 64)


@pytest.mark.parametrize(
    ("model", "sizes", "said"),
    [
        ("gpt2-124m", {"head": 7}, "7 heads cannot share 768 numbers evenly"),
        ("gpt2-124m", {"width": 7}, "has no size 'width'"),
        ("gpt/none", {}, "the lab has no model 'gpt/none'"),
        ("../../etc/passwd", {}, "the lab has no model"),
        ("/etc", {}, "the lab has no model"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(client: TestClient, model: str, sizes: dict[str, int], said: str) -> None:
    answer = client.post("/api/shapes", json={"model": model, "sizes": sizes})
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_what_is_no_size_is_refused(client: TestClient) -> None:
    for sizes in ({"head": "many"}, {"head": 1.5}, {"head": None}, [3]):
        assert client.post("/api/shapes", json={"model": "gpt2-124m", "sizes": sizes}).status_code == 422
