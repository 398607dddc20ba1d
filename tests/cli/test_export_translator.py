"""`kqv export RUN --to ctranslate2`: what it writes, and that the lines it shows translate as the run does."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest

from kqv.data.parallel.sentences import BEGIN, END
from kqv.generation.beam_search import BeamSearch, beam_search
from kqv.systems.translation.trained import load_translator
from kqv.training.run import Run

pytest.importorskip("ctranslate2", reason="the package ctranslate2 is not installed")

UNITS = ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
PAIRS = [(f"{UNITS[a]} und {UNITS[b]}", f"{WORDS[a]} and {WORDS[b]}") for a in range(10) for b in range(10)]


@pytest.fixture
def exporting(kqv: Any, here: Path) -> Any:
    """The command line in a folder with a run of a small translator, `run`."""
    Path("pairs.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS), encoding="utf-8")
    done = kqv(
        "train", "translate", "--data", "pairs.tsv", "--recipe", "numbers-dates", "--out", "run", "--steps", "60",
        "--tokenizer", "bpe", "--layers", "1", "--heads", "2", "--width", "32", "--vocab", "300", "--batch", "512",
    )  # fmt: skip
    assert done.status == 0, done.err
    return kqv


def run_lines(shown: str, line: str) -> str:
    """What the Python at the end of a command's output prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(shown[shown.index("import ctranslate2") :], {"line": line})
    return printed.getvalue().removesuffix("\n")


def test_the_lines_that_it_shows_translate_as_the_run_does(exporting: Any) -> None:
    done = exporting("export", "run", "--to", "ctranslate2", "out/model")
    assert done.status == 0, done.err
    assert {path.name for path in Path("out/model").iterdir()} == {
        "README.md", "config.json", "model.bin", "shared_vocabulary.json", "tokenizer.json"
    }  # fmt: skip
    assert all(path.name in done.out for path in Path("out/model").iterdir())
    loaded = load_translator(Run(Path("run")))
    search = loaded.recipe.search
    sentences = [source for source, _ in PAIRS[::17]]
    found = beam_search(
        loaded.model, loaded.vocabularies.source.encode_many(sentences), BEGIN, END,
        BeamSearch(search.beams, search.length_penalty),
    )  # fmt: skip
    ours = [loaded.vocabularies.target.decode(best[0].ids) for best in found]
    assert len(set(ours)) > 3
    assert [run_lines(done.out, sentence) for sentence in sentences] == ours

    said = exporting("export", "run", "--to", "ctranslate2", "small", "--type", "int8", "--json").json
    assert said["type"] == "int8"
    assert said["files"] == sorted(path.name for path in Path("small").iterdir())
    sizes = [(Path(folder) / "model.bin").stat().st_size for folder in ("out/model", "small")]
    assert sizes[1] < 0.5 * sizes[0]
    assert (
        "run is a translate run; this needs one of gpt"
        in exporting("export", "run", "--to", "hugging-face", "model").problem
    )
