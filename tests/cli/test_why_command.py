"""`kqv why`: splits as tables, JSON and figures, and what a change changes; one line for what cannot be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_encoders import encoder_folder
from text_runs import make_run

import kqv as package
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.systems.translation.recipes import numbers_dates

TEXT = "1 mal 1 ist 1"
CELL = "blocks.1.attention.scores[0,1,mal,1#1]"


@pytest.fixture(scope="session")
def run_of_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small GPT on byte pairs."""
    path = tmp_path_factory.mktemp("why") / "run"
    make_run(path, blocks=2, tokenizer="bpe", vocab=300)
    return path


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_score_is_shown_as_a_sum(kqv: Any, run_of_texts: Path) -> None:
    shown = kqv("why", run_of_texts, TEXT, "--score", CELL, "--terms", "4", "--plot", "score.png")
    assert shown.status == 0, shown.err
    said = words(shown.out)
    assert "how well the query of “mal” (token 1) fits the key of “1” (token 0)" in said
    assert "others together" in said
    assert "the sum; the model computed" in said
    assert "A split is a sum, not a cause" in said
    assert f"--score '{CELL}' --test 8" in said
    assert "(weight " in said
    assert Path("score.png").read_bytes().startswith(b"\x89PNG")


def test_json_has_every_term(kqv: Any, run_of_texts: Path) -> None:
    found = kqv("why", run_of_texts, TEXT, "--strongest", "ist,mal", "--json").json
    split = found["split"]
    assert found["strongest"][0]["cell"] == split["cell"]
    total = sum(sum(row) for row in split["terms"])
    assert total == pytest.approx(split["sum"])
    assert abs(split["sum"] - split["value"]) <= 1e-5 * split["sum_of_sizes"]
    assert len(split["terms"]) == len(split["query_parts"])
    token = kqv("why", run_of_texts, TEXT, "--json").json["split"]
    assert sum(term["value"] for term in token["terms"]) == pytest.approx(token["sum"])


def test_the_strongest_head_is_found_and_split(kqv: Any, run_of_texts: Path) -> None:
    said = words(kqv("why", run_of_texts, TEXT, "--strongest", "ist,mal").out)
    assert "attention head weight score's cell" in said
    assert "how well the query of “ist”" in said


def test_a_token_is_split_against_another(kqv: Any, run_of_texts: Path) -> None:
    shown = kqv("why", run_of_texts, TEXT, "--token", "mal", "--after", "1#1", "--against", "ist", "--plot", "t.svg")
    assert "The logit of “mal” less that of “ist” after “1” (token 0) is" in words(shown.out)
    assert "attention heads" in shown.out
    assert "--token mal --after '1#1' --against ist --test 8" in words(shown.out)
    assert Path("t.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_a_change_shows_both_passes(kqv: Any, run_of_texts: Path) -> None:
    asked = ("why", run_of_texts, TEXT, "--score", CELL)
    shown = words(kqv(*asked, "--without", "block 0 feed-forward", "--mean", "tokens", "--at", "mal").out)
    assert f"{CELL}, without block 0 feed-forward at “mal”, with the mean of tokens at “mal”: before after" in shown
    assert "weight" in shown
    changed = kqv(*asked, "--replace", "tokens", "--by", "2 mal 3 ist 6", "--json").json["changed"]
    assert changed["before"]["score"] != changed["after"]["score"]
    hidden = kqv("why", run_of_texts, TEXT, "--hide", "ist,mal", "--in", "block 1 head 0", "--json").json["changed"]
    assert hidden["how"] == "with “mal” hidden from “ist” in block 1 head 0"
    assert set(hidden["after"]) == {"logit", "probability"}


def test_the_largest_parts_are_taken_out_one_by_one(kqv: Any, run_of_texts: Path) -> None:
    asked = ("why", run_of_texts, TEXT, "--score", CELL, "--test", "3")
    assert "in the split without it change" in words(kqv(*asked).out)
    rows = kqv(*asked, "--json").json["tested"]
    assert len(rows) == 3
    without = kqv("why", run_of_texts, TEXT, "--score", CELL, "--without", rows[0]["part"], "--json").json["changed"]
    assert rows[0]["after"] == pytest.approx(without["after"]["score"])
    assert len(kqv("why", run_of_texts, TEXT, "--test", "2", "--json").json["tested"]) == 2


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (("--score", "blocks.1.attention.weights[0,0,1,0]"), "is no attention score"),
        (("--score", CELL, "--token", "mal"), "choose one"),
        (("--strongest", "mal"), "takes two words"),
        (("--replace", "tokens"), "--by TEXT belong together"),
        (("--at", "mal"), "say which part"),
        (("--without", "tokens", "--test", "2"), "one part at a time"),
        (("--in", "block 0 head 0"), "--hide QUERY,KEY"),
        (("--without", "block 9"), "no part 'block 9'"),
        (("--token", "überhaupt"), "not one token"),
        (("--label", "one"), "a sentence's translation"),
        (("--plot", "x.gif"), "end it in"),
    ],
)
def test_what_cannot_be_asked_is_one_line(kqv: Any, run_of_texts: Path, asked: tuple[str, ...], problem: str) -> None:
    assert problem in kqv("why", run_of_texts, TEXT, *asked).problem


def test_a_translator_is_asked_on_a_pair(kqv: Any, here: Path) -> None:
    pairs = [(f"{a} und {b}", f"{a} and {b}") for a in range(9) for b in range(9)]
    Path("pairs.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")
    base = numbers_dates()
    small = TranslatorArchitecture(context=20, width=16, heads=2, hidden=16, encoder_blocks=1, decoder_blocks=1)
    training = base.training.model_copy(update={"batch": 64, "steps": 2, "evaluate_every": None})
    data = base.data.model_copy(update={"tokenizer": "characters", "vocab": None})
    recipe = base.model_copy(update={"model": small, "data": data, "training": training})
    package.train("translate", data="pairs.tsv", recipe=recipe, out="run")
    asked = ("why", "run", "1 und 2", "--label", "1 and 2")
    said = words(kqv(*asked, "--strongest", "and,und").out)
    assert "decoder.blocks.0.cross_attention.scores[0," in said
    assert "× encoder block 0" in said
    assert "The logit of “a” after “<s>”" in words(kqv(*asked, "--token", "a", "--after", "<s>").out)
    changed = kqv(*asked, "--token", "d", "--without", "encoder block 0 feed-forward", "--json").json["changed"]
    assert changed["before"] != changed["after"]


def test_an_encoder_is_asked_for_scores_alone(kqv: Any, here: Path) -> None:
    encoder_folder(here / "encoder")
    text = "The pizza came out of the oven and it tasted good."
    said = words(kqv("why", "encoder", text, "--strongest", "it,pizza").out)
    assert "the key of “pizza”" in said
    assert "predicts no tokens" in kqv("why", "encoder", text).problem


def test_a_recogniser_reads_no_text(kqv: Any, run: Path) -> None:
    assert "why is for models that read text" in kqv("why", run, "7").problem
