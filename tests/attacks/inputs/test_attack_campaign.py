"""The judge of the attacks sees what falls, and a few attacks of each quick kind are survived."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import arena
import pytest
from arena import Attack, fought
from kinds import KINDS
from materials import WRITERS
from mutations import of_bytes, of_json, of_safetensors

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the attacks need Linux")


def _fallen(do: Callable[[], object], keeps: bool = True) -> str:
    def prepare(folder: Path) -> None:
        (folder / "mine.txt").write_text("precious")

    return fought(Attack("x", "x", prepare, lambda: do() and None, keeps)).fell


def _say(text: str, status: int) -> None:
    print(text, file=sys.stderr, flush=True)
    os._exit(status)


@pytest.mark.parametrize(("do", "words"), [
    (lambda: 1 / 0, "traceback: ZeroDivisionError"),
    (lambda: os.kill(os.getpid(), signal.SIGKILL), "died of SIGKILL"),
    (lambda: _say("error: no", 9), "exit status 9"),
    (lambda: _say("it went wrong", 1), "no error in one line"),
    (lambda: _say("error: \x1b[31mred", 1), "control character"),
    (lambda: Path("mine.txt").unlink(), "lost or changed: "),
    (lambda: Path("mine.txt").write_text("other"), "lost or changed: "),
    (lambda: Path("../elsewhere").write_text("x"), "written outside: elsewhere"),
])  # fmt: skip
def test_what_falls_is_seen(do: Callable[[], object], words: str) -> None:
    assert words in _fallen(do)


def test_a_hang_and_too_much_memory_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arena, "SECONDS", 0.5)
    assert _fallen(lambda: time.sleep(60)) == "it waits for ever"
    monkeypatch.setattr(arena, "SECONDS", 30.0)
    monkeypatch.setattr(arena, "MEMORY", 1)
    assert "it held" in _fallen(lambda: _say("fine", 0))


@pytest.mark.parametrize("status", [0, 1])
def test_what_stands_is_seen(status: int) -> None:
    assert _fallen(lambda: _say("error: a line", status)) == ""
    assert _fallen(lambda: Path("mine.txt").unlink(), keeps=False) == ""


def test_the_same_chance_makes_the_same_attack() -> None:
    text = '{"a": {"b": [1, 2]}, "c": "x"}'
    made = [[of_json(text, Random(seed)) for seed in range(200)] for _ in range(2)]
    assert made[0] == made[1]
    assert len({change for change, _ in made[0]}) > 100
    assert len({of_bytes(bytes(64), Random(seed))[0] for seed in range(200)}) > 100
    header = b'{"t": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
    content = len(header).to_bytes(8, "little") + header + bytes(4)
    assert len({of_safetensors(content, Random(seed))[0] for seed in range(200)}) > 100


def test_damaged_idx_files_are_survived(tmp_path: Path) -> None:
    WRITERS["pictures.idx"](tmp_path / "pictures.idx")
    chance = Random(1)
    assert [found.fell for found in (fought(KINDS["idx"](tmp_path, chance)) for _ in range(5)) if found.fell] == []
