"""What serves models that do not write, the token, and the guard; asked without a socket."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image
from serving import Small

import kqv
from kqv.data.digits import DigitData
from kqv.data.pictures import prepare_picture
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.server.settings import Limits
from kqv.systems.digits.recipes import DigitsRecipe
from kqv.systems.digits.start import start
from kqv.systems.translation.recipes import SearchPlan, numbers_dates

Asking = Callable[..., TestClient]


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learned next to nothing."""
    folder = tmp_path_factory.mktemp("translator")
    pairs = [(f"eins {n} zwei", f"one {n} two") for n in range(60)]
    (folder / "pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
    base = numbers_dates()
    small = TranslatorArchitecture(context=24, width=16, heads=2, hidden=16, encoder_blocks=1, decoder_blocks=1)
    recipe = base.model_copy(
        update={
            "model": small, "search": SearchPlan(beams=2),
            "data": base.data.model_copy(update={"tokenizer": "characters", "vocab": None}),
            "training": base.training.model_copy(update={"batch": 256, "steps": 4, "evaluate_every": 4}),
        }
    )  # fmt: skip
    kqv.train("translate", data=str(folder / "pairs.tsv"), recipe=recipe, out=folder / "run")
    return folder / "run"


@pytest.fixture
def digits(tmp_path: Path, small_data: DigitData, small_recipe: DigitsRecipe) -> Path:
    """A run that has hardly learned."""
    run, trainer = start(small_recipe, small_data, tmp_path / "digits", torch.device("cpu"))
    trainer.train()
    return run.path


def test_sentences_are_translated_as_by_python(asking: Asking, translator: Path) -> None:
    client, model = asking(translator), kqv.load(translator)
    texts = ["eins 3 zwei", "", "zwei eins"]
    found = client.post("/v1/translate", json={"texts": texts, "n_best": 2}).json()
    assert [one["text"] for one in found["translations"]] == [model.translate(text) for text in texts]
    first = found["translations"][0]
    assert first["source"] == texts[0]
    assert first["score"] == first["n_best"][0]["score"] >= first["n_best"][1]["score"]
    assert client.post("/v1/translate", json={"texts": "eins"}).json()["translations"][0]["source"] == "eins"
    for body, said in (
        ({"texts": ["ü"]}, "line 1"), ({"texts": ["eins " * 20]}, "reads at most"), ({"texts": 5}, "texts"),
        ({"texts": ["a"] * 300}, "at most 256"), ({}, "you must provide"), ({"texts": "a", "beams": 99}, "beams"),
    ):  # fmt: skip
        answer = client.post("/v1/translate", json=body)
        assert (answer.status_code, said in answer.json()["error"]["message"]) == (400, True), answer.json()
    assert client.post("/v1/completions", json={"prompt": "a"}).status_code == 404


def test_pictures_are_classified_as_by_python(asking: Asking, digits: Path, small_data: DigitData) -> None:
    client, model = asking(digits), kqv.load(digits)
    pictures = small_data.test.pixels[:3]
    file = io.BytesIO()
    Image.fromarray(pictures[0]).save(file, "PNG")
    coded = base64.b64encode(file.getvalue()).decode()
    asked = [pictures[1].tolist(), coded, f"data:image/png;base64,{coded}"]
    found = client.post("/v1/classify", json={"pictures": asked}).json()["pictures"]
    prepared = prepare_picture(file.getvalue(), pictures[0].shape)
    expected = model.classify(torch.from_numpy(np.stack([pictures[1], prepared, prepared])))
    assert [one["class"] for one in found] == [one.label for one in expected]
    assert found[1] == found[2]
    assert list(found[0]["probabilities"].values()) == pytest.approx(expected[0].probabilities, abs=1e-6)
    raw = client.post("/v1/classify", content=file.getvalue(), headers={"content-type": "image/png"}).json()
    assert raw["pictures"][0]["class"] == found[1]["class"]
    for wrong, said in (
        ([[[1, 2]]], "rows of"), (["no base64!"], "base64"), (["AAAA"], "not a readable picture"), ([], "pictures"),
        ([[[300] * 8] * 8], "from 0 to 255"), ([[["x"]]], "pictures"),
    ):  # fmt: skip
        answer = client.post("/v1/classify", json={"pictures": wrong})
        assert (answer.status_code, said in answer.json()["error"]["message"]) == (400, True), answer.json()


def test_texts_become_vectors(asking: Asking, tmp_path: Path) -> None:
    from small_encoders import encoder_folder

    encoder_folder(tmp_path / "encoder")
    client, model = asking(tmp_path / "encoder"), kqv.load(tmp_path / "encoder", "encoder")
    texts = ["the pizza was good", "the oven"]
    found = client.post("/v1/embeddings", json={"input": texts, "model": "small"}).json()
    vectors = torch.tensor([one["embedding"] for one in found["data"]])
    torch.testing.assert_close(vectors, model.vectors(texts))
    coded = client.post("/v1/embeddings", json={"input": texts[1], "encoding_format": "base64"}).json()
    numbers = np.frombuffer(base64.b64decode(coded["data"][0]["embedding"]), "<f4")
    torch.testing.assert_close(torch.from_numpy(numbers.copy()), model.vectors([texts[1]])[0])
    assert client.post("/v1/embeddings", json={"input": []}).status_code == 400


def test_only_who_knows_the_token_is_answered(asking: Asking, small: Small) -> None:
    client = asking(small.folder, host="192.0.2.7", token="secret-word")
    assert client.get("/health").status_code == 200
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic secret-word"}):
        answer = client.get("/v1/models", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert client.get("/metrics", headers=headers).status_code == 401
    assert client.get("/v1/models", headers={"authorization": "Bearer secret-word"}).status_code == 200
    assert client.get("/v1/models", headers={"host": "localhost"}).status_code == 421


def test_too_much_is_put_off(asking: Asking, small: Small) -> None:
    client = asking(small.folder, limits=Limits(waiting=0))
    answer = client.post("/v1/completions", json={"prompt": "a"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    client = asking(small.folder, limits=Limits(most_requests=0))
    assert client.post("/v1/completions", json={"prompt": "a"}).status_code == 503
    assert client.get("/health").status_code == 200


def test_requests_are_counted_and_said_in_a_line(asking: Asking, small: Small) -> None:
    client = asking(small.folder)
    client.post("/v1/completions", json={"prompt": "Once", "max_tokens": 5})
    client.get("/%1b[31m")
    counted = client.get("/metrics").text
    assert 'kqv_requests_total{path="/v1/completions",status="200"} 1.0' in counted
    assert "kqv_generated_tokens_total 5.0" in counted
    lines: Any = client.lines  # type: ignore[attr-defined]
    assert "POST /v1/completions 200" in lines[0]
    assert "+ 5 tokens" in lines[0]
    assert not any("\x1b" in line for line in lines)


def test_a_model_without_a_template_holds_no_conversation(asking: Asking, small: Small, tmp_path: Path) -> None:
    from kqv.interchange import hugging_face

    hugging_face.write(small.model, small.tokenizer, tmp_path / "plain")
    client = asking(tmp_path / "plain")
    answer = client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "a"}]})
    assert answer.status_code == 400
    assert "has no chat template" in answer.json()["error"]["message"]


def test_the_first_screen_has_a_line_for_each_kind(
    translator: Path, digits: Path, small: Small, tmp_path: Path
) -> None:
    from kqv.server.metrics import Metrics
    from kqv.server.service import open_service
    from kqv.server.settings import Settings
    from kqv.systems.source import find_model

    for name, said in (
        (translator, "/v1/translate -d '{\"texts\":"), (digits, "--data-binary @seven.png"),
        (small.folder, "/v1/chat/completions -H 'Authorization: Bearer secret-word' -d '{\"messages\":"),
    ):  # fmt: skip
        settings = Settings("small", token="secret-word" if name == small.folder else None)
        service = open_service(find_model(name), False, "cpu", settings, Metrics())
        service.close()
        assert said in service.curl(settings)


def test_who_takes_nothing_is_left_after_a_while() -> None:
    import asyncio

    from kqv.server.log import Logged
    from kqv.server.metrics import Metrics

    async def answering(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def never(message: Any) -> None:
        await asyncio.sleep(60)

    lines: list[str] = []
    logged = Logged(answering, lines.append, Metrics(), frozenset(), patience=0.01)
    scope = {"type": "http", "method": "GET", "path": "/v1/completions", "client": ("127.0.0.1", 5)}
    asyncio.run(logged(scope, never, never))  # type: ignore[arg-type]
    assert "client too slow: nothing taken for 0.01 s" in lines[0]
