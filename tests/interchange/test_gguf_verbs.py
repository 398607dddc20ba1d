"""Every verb takes a GGUF file, as typed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf_files import write

import kqv
from kqv.cli.main import main
from kqv.data.registry import File, Source
from kqv.data.sources import SOURCES
from kqv.generation.sampling import Sampling
from kqv.interchange.gguf import read
from kqv.interchange.hugging_face import read as read_folder


@pytest.fixture
def typed(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """A function that runs a command line with --json, and gives what it prints."""

    def run(*words: str | Path) -> Any:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        printed = capsys.readouterr()
        assert ended.value.code == 0, printed.err
        return json.loads(printed.out) if "--json" in words else printed.out

    return run


@pytest.fixture
def file(here: Path) -> Path:
    (here / "text.txt").write_text("über den Fluß, sagte sie.\n" * 60, encoding="utf-8")
    return write(here / "model.gguf", "qwen3", "Q8_0")


def test_it_generates(file: Path, typed: Callable[..., Any]) -> None:
    found = typed("generate", file, "--prompt", "über", "--tokens", "5", "--temperature", "0")
    assert found.startswith("über")
    assert found.strip() == "über" + kqv.load(file, "gpt").generate("über", 5, sampling=Sampling(0.0)).rstrip()


def test_it_is_evaluated(file: Path, typed: Callable[..., Any]) -> None:
    scores = typed("evaluate", file, "--data", "text.txt", "--json")
    assert scores["loss"] > 0
    assert scores["data"] == "text.txt"


def test_it_is_traced(file: Path, typed: Callable[..., Any]) -> None:
    out = typed("trace", file, "über den Fluß")
    assert "blocks.0.attention.query_key_value" in out
    assert "rotary" in out


def test_it_is_exported(file: Path, typed: Callable[..., Any]) -> None:
    typed("export", file, "folder", "--to", "hugging-face")
    (model, tokenizer), (again, vocabulary) = read(file), read_folder("folder")
    assert tokenizer is not None
    assert vocabulary is not None
    assert vocabulary.sha256 == tokenizer.sha256
    ids = torch.arange(20)[None]
    assert torch.equal(model(ids), again(ids))


def test_it_is_trained_further(file: Path, typed: Callable[..., Any]) -> None:
    typed("train", "gpt", "--from", file, "--data", "text.txt", "--steps", "1", "--out", "run")
    again = kqv.load("run", "gpt")
    assert again.tokenizer.sha256 == kqv.load(file, "gpt").tokenizer.sha256


def test_it_is_found_by_its_name_among_the_data(
    file: Path, typed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = file.read_bytes()
    known = File(file.name, ("https://example.org",), hashlib.sha256(content).hexdigest(), len(content))
    monkeypatch.setitem(
        SOURCES, "small", Source("small", "a model", "MIT", "https://example.org", (known,), folder="m")
    )
    Path("data/m").mkdir(parents=True)
    file.rename(Path("data/m", file.name))
    monkeypatch.setenv("KQV_DATA", "data")
    assert typed("generate", "small", "--prompt", "über", "--tokens", "3").startswith("über")


VERBS = [["generate"], ["trace"], ["evaluate", "--data", "text.txt"], ["export", "folder", "--to", "hugging-face"]]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_a_damaged_file_is_said_in_one_line(verb: list[str], file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(SystemExit):
        main([verb[0], str(file), *verb[1:]])
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {file} is damaged or cut off: the tensor ")
