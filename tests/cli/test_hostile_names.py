"""Names, texts and outputs of others cannot steer the terminal: what it would obey is spelled out."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from text_runs import make_run

from kqv.cli.console import Screen, console, notices
from kqv.cli.progress import TrainingDisplay
from kqv.visible import visible

Kqv = Callable[..., Any]

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e[bold]"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(outcome: Any, expected: str = "␛") -> None:
    """Nothing that was printed is obeyed by a terminal, and the name is there to be seen."""
    for text in (outcome.out, outcome.err):
        assert not OBEYED.search(text), repr(text)
    printed = outcome.out + outcome.err
    assert expected in printed or (expected == "␛" and r"\x1b" in printed), printed


def test_what_a_terminal_obeys_is_spelled_out() -> None:
    assert visible("a\x1b[0mb\x07\x00\x7f") == "a␛[0mb␇␀␡"
    assert visible("\x85\x9b\u202e\u2066\u2028\udc9b") == "\\x85\\x9b\\u202e\\u2066\\u2028\\udc9b"
    assert visible("a\tb\nc\rd") == "a␉b␊c␍d"
    assert visible("a\tb\nc\rd", keep="\n\t") == "a\tb\nc␍d"
    letters = "Größe, 漢字, שלום, ✓ – 👍"
    assert visible(letters) == letters
    for code in range(0x110000):
        assert not OBEYED.search(visible(chr(code)))


def test_every_text_of_the_consoles_goes_through_it(capsys: pytest.CaptureFixture[str]) -> None:
    for screen in (console, notices):
        screen.print(EVIL, markup=False)
        screen.print(f"[dim]{EVIL.removesuffix('[bold]')}[/]")
    printed = capsys.readouterr()
    for text in printed:
        assert not OBEYED.search(text), repr(text)
        assert text.count("␛]0;owned␇␛[2J\\x9b31m\\u202e") == 2


@pytest.fixture
def evil_run(run: Path) -> Path:
    """A run whose folder, classes and recipe have such names."""
    path = run.with_name(EVIL)
    shutil.move(run, path)
    classes = json.loads((path / "classes.json").read_text())
    classes["classes"] = [f"{name}{EVIL}" for name in classes["classes"]]
    (path / "classes.json").write_text(json.dumps(classes))
    config = json.loads((path / "config.json").read_text())
    config["recipe"]["name"] = EVIL
    (path / "config.json").write_text(json.dumps(config))
    return path


def test_names_of_runs_recipes_and_classes(kqv: Kqv, evil_run: Path, picture: Path) -> None:
    harmless(kqv("runs"))
    harmless(kqv("classify", evil_run, picture))
    harmless(kqv("trace", evil_run, picture))
    harmless(kqv("trace", evil_run, picture, "--cell", "confidence[0,3]"))
    harmless(kqv("train", "digits", "--resume", evil_run))
    harmless(kqv("runs", "--json"), "\\u001b")


def test_names_in_errors(kqv: Kqv, run: Path) -> None:
    for words in (
        ("evaluate", EVIL), ("runs", EVIL), ("train", "digits", "--data", EVIL), ("train", "gpt", "--recipe", EVIL),
        ("classify", run, EVIL), ("trace", run, "0", "--cell", f"{EVIL}[0]"), ("rebuild", EVIL),
        ("data", "fetch", EVIL), (EVIL,), ("runs", f"--{EVIL}"),
    ):  # fmt: skip
        failed = kqv(*words)
        assert failed.status in (1, 2)
        harmless(failed)


def test_names_of_pictures(kqv: Kqv, run: Path, picture: Path) -> None:
    path = picture.with_name(f"{EVIL}.png")
    picture.rename(path)
    harmless(kqv("classify", run, path))
    harmless(kqv("classify", run, path, "--steps"))


def test_generated_text_and_traced_tokens(kqv: Kqv, here: Path) -> None:
    run = make_run(here / "text", "".join(f"{EVIL}{number}\n" for number in range(300))).path
    prompt = EVIL[:8]
    for words in (
        ("generate", run, "--prompt", prompt, "--tokens", "60"),
        ("generate", run, "--prompt", prompt, "--tokens", "20", "--samples", "2"),
        ("generate", run, "--prompt", prompt, "--tokens", "9", "--probabilities"),
        ("trace", run, prompt),
        ("trace", run),
    ):
        done = kqv(*words)
        assert done.status == 0, done.err
        harmless(done, "\\x9b" if words == ("trace", run) else "␛")
    written = kqv("generate", run, "--prompt", prompt, "--tokens", "60", "--json").json
    assert "\x1b" in written["samples"][0]["text"] + written["prompt"], "JSON has the text itself"


def test_samples_while_training(capsys: pytest.CaptureFixture[str]) -> None:
    for terminal in (False, True):
        screen = Screen(width=100)
        screen._force_terminal = terminal
        display = TrainingDisplay(console=screen)
        with display:
            display.started(0, 10)
            display.evaluated(10, {"loss": 1.0})
            display.sampled(10, f"x{EVIL}")
            if terminal:
                assert not OBEYED.search(display.bar.below)
    assert "x␛]0;owned␇␛[2J" in capsys.readouterr().out


def test_what_a_learners_code_prints(kqv: Kqv, here: Path) -> None:
    kqv("rebuild", "begin", "sigmoid")
    Path("rebuild/sigmoid.py").write_text(f"print({EVIL!r})\ndef sigmoid(z):\n    raise ValueError({EVIL!r})\n")
    harmless(kqv("rebuild", "check", "sigmoid"))


def test_names_of_tensors(capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    from kqv.recording import note
    from kqv.trace.trace import Trace

    with Trace() as trace:
        note(EVIL, torch.zeros(2), "class")
    assert not OBEYED.search(str(trace)), "where Python prints it, too"
    assert "␛" in str(trace)


NO_UTF8 = "na\udcffme"
"""What Python makes of a file's name with the byte FF."""


@pytest.mark.parametrize("words", [
    ("evaluate", NO_UTF8), ("train", "digits", "--out", NO_UTF8), ("train", "gpt", "--data", f"{NO_UTF8}.txt"),
    ("export", "x", "--to", "gguf", NO_UTF8), ("rebuild", "backprop", "--folder", NO_UTF8),
])  # fmt: skip
def test_a_name_that_is_no_utf8_is_refused_in_one_line(words: tuple[str, ...], kqv: Kqv, here: Path) -> None:
    refused = kqv(*words)
    assert refused.status == 1
    assert "is not text in UTF-8; rename it, or choose another one" in refused.problem
    assert not list(here.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="only there can Python be told that names are ASCII")
def test_where_python_reads_names_as_ascii_that_is_said(tmp_path: Path) -> None:
    code = """
import sys
from kqv.files import require_text
try:
    require_text(sys.argv[1])
except Exception as failure:
    print(ascii(str(failure)))
"""
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    said = subprocess.run(
        [sys.executable, "-c", code, "Bild ü.png"], env=os.environ | ascii_only, capture_output=True, text=True
    )
    assert said.stdout.strip() == ascii("Python reads the name Bild ü.png as ascii; set PYTHONUTF8=1"), said.stderr


def test_so_is_one_that_stands_in_a_folder_of_pictures(kqv: Kqv, here: Path) -> None:
    for name in ("a", NO_UTF8):
        (here / "pictures" / name).mkdir(parents=True)
        (here / "pictures" / name / "1.png").write_bytes(b"x")
    refused = kqv("train", "digits", "--data", "pictures")
    assert "is not text in UTF-8" in refused.problem


def test_a_page_may_have_brackets_in_its_name(kqv: Kqv, run: Path, here: Path) -> None:
    (here / "x[").mkdir()
    written = kqv("trace", run, "--html", "x[/].html")
    assert (written.status, (here / "x[" / "].html").is_file()) == (0, True)
    assert "wrote x[/].html" in written.err
