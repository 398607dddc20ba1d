"""The room Sentence: what it serves is the trace's, why's and generation's own; what it cannot read it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from lab_pages import asking

import kqv
from kqv.generation.sampling import Sampling
from kqv.lab.sentence import models
from kqv.lab.sentence import room as sentence_room
from kqv.lab.settings import Settings
from kqv.trace.trace import Trace
from kqv.trace.views.attention import attentions

PIZZA = "the pizza came out of the oven and it tasted good"
NUMBERS = {"eins": "one", "zwei": "two", "drei": "three", "vier": "four", "sechs": "six", "sieben": "seven"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT and a tiny translator."""
    folder = tmp_path_factory.mktemp("sentence")
    text = folder / "text.txt"
    text.write_text(f"{PIZZA}. " * 60, encoding="utf-8")
    kqv.train(
        "gpt", data=str(text), tokenizer="characters", layers=2, heads=2, width=16, context=64, batch=4, steps=4,
        out=str(folder / "runs" / "gpt"),
    )  # fmt: skip
    pairs = folder / "pairs.tsv"
    pairs.write_text("".join(f"{one} zwei\t{two} two\n" for one, two in NUMBERS.items()), encoding="utf-8")
    kqv.train(
        "translate", data=str(pairs), tokenizer="characters", steps=2, layers=1, heads=2, width=16,
        out=str(folder / "runs" / "translate"),
    )  # fmt: skip
    return folder / "runs"


@pytest.fixture(scope="module")
def room(runs: Path) -> Iterator[TestClient]:
    with asking(Settings(runs=runs)) as client:
        yield client


def post(room: TestClient, path: str, **body: Any) -> Any:
    answer = room.post(f"/api/sentence/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def read(room: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = post(room, "read", model="gpt", text=PIZZA)
    return found


def trace_of(room: TestClient, read: dict[str, Any]) -> Trace:
    trace: Trace = room.app.state.lab.traces[read["trace"]].trace  # type: ignore[attr-defined]
    return trace


def test_the_models_that_read_are_offered(room: TestClient) -> None:
    found = {one["name"]: one for one in room.get("/api/sentence/models").json()}
    assert found["gpt"]["writes"]
    assert found["gpt"]["explains"]
    assert found["translate"]["translates"]
    assert "smollm2" in found


def test_the_text_is_told_with_ids_steps_and_gradients(room: TestClient, read: dict[str, Any]) -> None:
    (text,) = read["texts"]
    assert len(text["words"]) == len(text["ids"]) == len(PIZZA)
    names = [step["tensor"] for step in read["steps"]]
    wanted = [
        "ids", "token_vectors", "blocks.0.attention.queries", "blocks.0.attention.scores",
        "blocks.0.attention.masked_scores", "blocks.0.attention.weights", "blocks.0.attention.mixed",
        "blocks.1.feed_forward.output", "logits",
    ]  # fmt: skip
    assert [name for name in names if name in wanted] == wanted
    told = {step["tensor"]: step for step in read["steps"]}
    assert told["blocks.0.attention.weights"]["dimensions"] == ["batch", "head", "query", "key"]
    assert told["blocks.0.attention.weights"]["gradient"]
    assert not told["ids"]["gradient"]
    assert read["cost"] == pytest.approx(float(trace_of(room, read)["cost"].value))


def test_the_gradients_of_a_large_model_come_when_they_are_asked_for(
    room: TestClient, read: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "MOST_AT_ONCE", 0)
    text = PIZZA + "."
    forward = post(room, "read", model="gpt", text=text)
    assert not forward["backward"]
    assert not forward["gradients"]
    assert not any(step["gradient"] for step in forward["steps"])
    monkeypatch.setattr(sentence_room, "MOST_GRADIENTS", 1)
    refused = room.post("/api/sentence/read", json={"model": "gpt", "text": text, "gradients": True})
    assert "GB" in refused.json()["error"]
    monkeypatch.undo()
    monkeypatch.setattr(models, "MOST_AT_ONCE", 0)
    whole = post(room, "read", model="gpt", text=text, gradients=True)
    assert whole["gradients"]
    assert trace_of(room, whole)["logits"].value.equal(trace_of(room, forward)["logits"].value)
    assert whole["cost"] == forward["cost"]


@pytest.mark.parametrize("query", [0, 7, len(PIZZA) - 1])
def test_the_weights_served_are_those_of_the_trace(room: TestClient, read: dict[str, Any], query: int) -> None:
    answer = room.get("/api/sentence/attention", params={"trace": read["trace"], "text": 0, "query": query})
    served = np.frombuffer(answer.content, "<f4")
    expected = torch.cat([one.weights[:, query].flatten() for one in attentions(trace_of(room, read))])
    assert np.array_equal(served, expected.numpy())
    assert served.reshape(4, -1).sum(1) == pytest.approx([1.0] * 4, abs=1e-5)


def test_the_likeliest_next_tokens_are_the_largest_logits(room: TestClient, read: dict[str, Any]) -> None:
    found = room.get("/api/sentence/next", params={"trace": read["trace"], "position": 5}).json()
    logits = trace_of(room, read)["logits"].value[0, 5]
    assert [one["id"] for one in found] == logits.sort(descending=True, stable=True).indices[: len(found)].tolist()


def test_a_split_sums_to_its_score_and_its_logit(room: TestClient, read: dict[str, Any]) -> None:
    trace = trace_of(room, read)
    split = post(room, "why", trace=read["trace"], cell="blocks.1.attention.scores[0,1,9,4]")
    assert split["value"] == pytest.approx(float(trace["blocks.1.attention.scores"].value[0, 1, 9, 4]), abs=1e-6)
    assert split["sum"] == pytest.approx(split["value"], abs=1e-5 * split["sum_of_sizes"])
    for side in ("of_query", "of_key"):
        assert sum(part["value"] for part in split[side]) == pytest.approx(split["sum"], abs=1e-6)
    token = post(room, "why", trace=read["trace"], position=9, token=3)
    assert token["value"] == pytest.approx(float(trace["logits"].value[0, 9, 3]), abs=1e-5)
    assert sum(part["value"] for part in token["of_part"]) == pytest.approx(token["value"], abs=1e-5)


def test_a_trace_that_was_made_elsewhere_is_not_asked_why(room: TestClient) -> None:
    made = room.post("/api/traces", json={"model": "gpt", "input": PIZZA}).json()
    answer = room.post("/api/sentence/why", json={"trace": made["id"], "position": 1, "token": 3})
    assert (answer.status_code, "read the text first" in answer.json()["error"]) == (400, True)


def test_a_part_that_is_off_changes_what_why_says_it_changes(
    room: TestClient, read: dict[str, Any], runs: Path
) -> None:
    wanted = {"trace": read["trace"], "position": 9, "token": 3}
    changes = [{"how": "without", "part": "blocks.1.feed_forward"}, {"how": "hide", "query": 9, "key": 4}]
    found = post(room, "why/changed", **wanted, changes=changes)
    why = kqv.load(runs / "gpt").why(PIZZA)
    changed = why.without("block 1 feed-forward").hidden(9, 4)
    expected = changed.logit_and_probability(why.token_of(3), 9)
    assert found["after"] == pytest.approx(expected)
    assert found["how"] == [change.words for change in changed.changes]
    (row,) = post(room, "why/tested", **wanted, most=1)
    assert row["before"] == pytest.approx(found["before"]["logit"])


def test_a_part_may_give_its_mean_or_what_it_gives_in_another_text(
    room: TestClient, read: dict[str, Any], runs: Path
) -> None:
    wanted = {"trace": read["trace"], "position": 9, "token": 3}
    why, part, other = (
        kqv.load(runs / "gpt").why(PIZZA),
        "block 0 head 1",
        "the oven tasted good and the pizza came out",
    )
    for change, expected in (
        ({"how": "mean"}, why.mean(part)),
        ({"how": "taken", "text": other}, why.taken(part, other)),
    ):
        found = post(room, "why/changed", **wanted, changes=[{**change, "part": part}])
        assert found["after"] == pytest.approx(expected.logit_and_probability(why.token_of(3), 9))
        assert found["how"] == [expected.words]


def written(room: TestClient, **body: Any) -> list[dict[str, Any]]:
    answer = room.post("/api/sentence/write", json=body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_what_streams_is_what_the_command_generates(room: TestClient, runs: Path) -> None:
    pieces = written(room, model="gpt", text="the ", tokens=12, temperature=0.7, top_k=6, seed=5)
    expected = kqv.load(runs / "gpt").generate("the ", 12, sampling=Sampling(0.7, 6), seed=5)
    assert "".join(piece.get("added", "") for piece in pieces) == expected == pieces[-1]["whole"]
    assert len([piece for piece in pieces if "token" in piece]) == 12


def test_a_translation_streams_and_its_attention_crosses(room: TestClient, runs: Path) -> None:
    pieces = written(room, model="translate", text="zwei")
    expected = kqv.load(runs / "translate").translate("zwei")
    assert pieces[-1]["whole"] == expected
    found = post(room, "read", model="translate", text="zwei", translation="two")
    assert [text["dimension"] for text in found["texts"]] == ["source", "position"]
    crossing = [one for one in found["attentions"] if not one["own"]]
    assert [(one["queries"], one["keys"]) for one in crossing] == [(1, 0)]


def test_nothing_is_written_twice_at_once_and_what_is_stopped_ends(room: TestClient) -> None:
    writer = room.app.state.sentence.writer  # type: ignore[attr-defined]
    import threading

    begun, release = threading.Event(), threading.Event()

    def write(tell: Any) -> str:
        from kqv.systems.writing import Written

        for _ in range(1000):
            tell(Written("a"))
            begun.set()
            release.wait(5)
        return "all"

    pieces = writer.pieces(write, str)
    begun.wait(5)
    writer.stop()
    release.set()
    assert list(pieces)[-1] == {"stopped": True}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"text": "  "}, "empty"),
        ({"text": "a"}, "2 to 65 tokens"),
        ({"text": "the " * 30}, "tokens"),
        ({"text": "ΩΩ"}, "Ω"),
        ({"text": "x" * 50_000}, "characters"),
        ({"model": "nothing", "text": "the"}, "no model 'nothing'"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(room: TestClient, body: dict[str, str], said: str) -> None:
    answer = room.post("/api/sentence/read", json={"model": "gpt", **body})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert said in error
    assert "\n" not in error


def test_wrong_questions_are_refused_in_one_line(room: TestClient, read: dict[str, Any]) -> None:
    trace = read["trace"]
    for path, body in (
        ("why", {"trace": trace, "cell": "blocks.0.attention.weights[0,0,1,0]"}),
        ("why", {"trace": trace, "position": 9999}),
        ("why", {"trace": trace, "token": 9999}),
        ("why", {"trace": "none"}),
        ("why/changed", {"trace": trace, "changes": [{"how": "without", "part": "block 99"}]}),
        ("why/changed", {"trace": trace, "changes": [{"how": "hide"}]}),
        ("why/changed", {"trace": trace, "changes": [{"how": "taken", "part": "block 0 head 1"}]}),
        ("write", {"model": "gpt", "text": "the", "temperature": -1}),
    ):
        answer = room.post(f"/api/sentence/{path}", json=body)
        assert answer.status_code == 400, (path, body, answer.text)
        assert "\n" not in answer.json()["error"]


def test_reading_leaves_the_model_as_it_was(room: TestClient) -> None:
    model = room.app.state.lab.models.get("gpt").model  # type: ignore[attr-defined]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = post(room, "read", model="gpt", text="the oven is good")
    assert trace_of(room, found).updates  # the trace took a step, on its copy
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_an_adder_reads_a_sum_and_writes_its_digits(tmp_path: Path) -> None:
    kqv.train("adder", steps=2, out=str(tmp_path / "runs" / "adder"))
    with asking(Settings(runs=tmp_path / "runs")) as client:
        found = post(client, "read", model="adder", text="12+34")
        assert "".join(found["texts"][0]["words"]).startswith("21")  # the ones first
        assert found["logits"] == "logits"
        pieces = written(client, model="adder", text="12+34")
        assert pieces[-1]["whole"] == kqv.load(tmp_path / "runs" / "adder").add(12, 34).wrote
        refused = client.post("/api/sentence/read", json={"model": "adder", "text": "a pizza"})
        assert refused.status_code == 400
        assert "a sum is two whole numbers" in refused.json()["error"]


def test_of_a_long_text_nothing_is_sent_that_grows_with_its_square(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(f"{PIZZA}. " * 130, encoding="utf-8")
    kqv.train(
        "gpt", data=str(text), tokenizer="characters", layers=2, heads=2, width=16, context=320, batch=1, steps=1,
        out=str(tmp_path / "runs" / "long"),
    )  # fmt: skip
    with asking(Settings(runs=tmp_path / "runs")) as client:
        sizes = []
        for length in (150, 300):
            answer = client.post("/api/sentence/read", json={"model": "long", "text": (f"{PIZZA}. " * 10)[:length]})
            trace = answer.json()["trace"]
            row = client.get("/api/sentence/attention", params={"trace": trace, "text": 0, "query": length - 1})
            assert len(row.content) == 4 * 4 * length  # 4 bytes for each of 2 · 2 heads and each key
            sizes.append(len(answer.content))
        assert sizes[1] < 2 * sizes[0]
        numbers = {"tensor": "blocks.1.attention.weights", "window": "0,1,280:300,0:40"}
        part = client.get(f"/api/traces/{trace}/numbers", params=numbers)
        expected = client.app.state.lab.traces[trace].trace["blocks.1.attention.weights"].value[0, 1, 280:300, :40]  # type: ignore[attr-defined]
        assert np.array_equal(np.frombuffer(part.content, "<f4").reshape(20, 40), expected.numpy())
