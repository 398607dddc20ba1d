"""`kqv generate`: several texts, long prompts, other weights, and a conversation with the terminal."""

from __future__ import annotations

import os
import select
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from text_runs import CONTEXT, make_run

from kqv.cli import generate as command
from kqv.tensors import read_tensors, write_tensors
from kqv.training.run import Run

Kqv = Callable[..., Any]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a text; to be copied."""
    return make_run(tmp_path_factory.mktemp("texts") / "run").path


@pytest.fixture
def run(made: Path, here: Path) -> Path:
    shutil.copytree(made, "run")
    return Path("run")


def test_each_text_has_its_choices_under_its_own_heading(kqv: Kqv, run: Path) -> None:
    words = ["generate", run, "--prompt", "12", "--tokens", "3", "--samples", "2"]
    samples = kqv(*words, "--json").json["samples"]
    _, *blocks = kqv(*words, "--probabilities").out.split("\n\n")
    assert len(blocks) == 2
    for number, (block, sample) in enumerate(zip(blocks, samples, strict=True), start=1):
        lines = block.splitlines()
        assert lines[0] == str(number)
        assert block.startswith(f"{number}\n12{sample['text']}\n")
        chosen = [line.split()[0] for line in lines[-3:]]
        assert chosen == ["1", "2", "3"]
        for line, token in zip(lines[-3:], sample["tokens"], strict=True):
            assert repr(token["token"]) in line
    assert [sample["end"] for sample in samples] == ["length", "length"]


def test_of_a_long_prompt_the_end_is_read_and_that_is_said(kqv: Kqv, run: Path) -> None:
    prompt = "12 mal 13 ist 156: schön!"
    written = kqv("generate", run, "--prompt", prompt, "--tokens", "20")
    assert written.status == 0
    assert f"the prompt has {len(prompt)} tokens; the model reads the last {CONTEXT} (its context)" in written.err
    short = kqv("generate", run, "--prompt", prompt[-CONTEXT:], "--tokens", "20")
    assert short.err == ""
    assert written.out.removeprefix(prompt) == short.out.removeprefix(prompt[-CONTEXT:])


def test_weights_can_be_kept_in_a_smaller_type(kqv: Kqv, run: Path) -> None:
    words = ["generate", run, "--prompt", "12", "--tokens", "8", "--seed", "3", "--json"]
    own, given = kqv(*words).json, kqv(*words, "--weights", "float32").json
    assert own == given
    for weights in ("float16", "bfloat16", "int8"):
        (sample,) = kqv(*words, "--weights", weights).json["samples"]
        first, expected = sample["tokens"][1]["candidates"][0], own["samples"][0]["tokens"][1]["candidates"][0]
        assert first["probability"] == pytest.approx(expected["probability"], abs=0.05)
    refused = kqv("generate", run, "--prompt", "12", "--weights", "int9")
    assert refused.status != 0
    assert "there are no weights 'int9'; choose one of: float32, float16, bfloat16, int8" in " ".join(
        refused.err.split()
    )
    assert refused.out == ""


def test_the_best_weights_are_used_where_they_are_asked_for(kqv: Kqv, run: Path) -> None:
    weights, header = read_tensors(run / "model.safetensors")
    torch.manual_seed(5)
    others = {name: torch.randn_like(value) for name, value in weights.items()}
    write_tensors(run / "best.safetensors", others, header, Run(run).identity)
    words = ["generate", run, "--prompt", "12", "--tokens", "20"]
    best = kqv(*words, "--best")
    assert best.status == 0
    assert best.out != kqv(*words).out
    shutil.copy(run / "model.safetensors", run / "best.safetensors")
    assert kqv(*words, "--best").out == kqv(*words).out


def test_what_was_written_before_an_interruption_ends_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    class Written:
        text = "and so"

    def steps() -> Iterator[Any]:
        yield Written
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        command._write(steps(), "On ")
    assert capsys.readouterr().out == "On and so\n"


class Terminal:
    """A real command in a terminal of its own."""

    def __init__(self, *words: str) -> None:
        import pty

        self.process, self.handle = pty.fork()
        if not self.process:
            import signal

            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.execve(sys.executable, [sys.executable, "-m", "kqv", *words], {**os.environ, "OMP_NUM_THREADS": "1"})

    def type(self, text: str) -> None:
        os.write(self.handle, text.encode())

    def until(self, text: str, seconds: float = 60) -> str:
        """What is shown up to a text; fails if that does not come."""
        shown, end = b"", time.monotonic() + seconds
        while text not in shown.decode(errors="replace"):
            assert time.monotonic() < end, shown
            if select.select([self.handle], [], [], 0.2)[0]:
                try:
                    shown += os.read(self.handle, 65_536)
                except OSError:  # it has ended
                    break
        assert text in shown.decode(errors="replace"), shown
        return shown.decode(errors="replace")


@pytest.mark.skipif(sys.platform == "win32", reason="no such terminals there")
def test_a_conversation(run: Path) -> None:
    """Ctrl-C stops a text and not the conversation, nor does a prompt that cannot be; Ctrl-D leaves."""
    terminal = Terminal("generate", str(run), "--tokens", "1000000")
    assert "Ctrl-D leaves" in terminal.until("prompt> ")
    terminal.type("12 mal\n")
    terminal.until("12 mal\r\n12 mal")
    terminal.type("\x03")
    assert "stopped" in terminal.until("prompt> ")
    terminal.type("Ж\n")
    assert "does not have 'Ж' (U+0416)" in terminal.until("prompt> ")
    terminal.type("\n")  # begins by itself
    terminal.until("\r\n")
    time.sleep(0.3)
    terminal.type("\x03")
    terminal.until("prompt> ")
    terminal.type("\x04")
    assert os.waitpid(terminal.process, 0)[1] == 0
