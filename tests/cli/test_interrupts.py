"""Ctrl-C at any moment, and twice: no traceback, and the shell's status for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")

STOPPED = (130, -signal.SIGINT)
"""As the command says it, or the system for it: the shell shows 130 for both."""


CODE = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["kqv", "train", "adder", "--out", "x"]
from kqv.__main__ import run
run()
"""


@pytest.mark.parametrize("name", ["typer", "kqv.cli.console", "kqv.systems.system", "torch", "kqv.training.loop"])
def test_an_interrupt_while_something_is_imported_ends_it_quietly(name: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CODE.format(name=name)], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.returncode in STOPPED
    assert not list(tmp_path.iterdir())


def test_a_second_interrupt_while_the_first_is_answered_ends_it_quietly(tmp_path: Path) -> None:
    code = """
import kqv.cli.main, kqv.__main__
def interrupted(*words, **options): raise KeyboardInterrupt
kqv.cli.main.app = interrupted
kqv.cli.main._fail = interrupted
kqv.__main__.run()
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (130, "")


def test_a_world_size_that_is_no_number_says_nothing(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "kqv", "runs"], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env=os.environ | {"WORLD_SIZE": "many"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr


def test_a_command_that_is_over_does_not_wait_for_what_a_thread_computes(tmp_path: Path) -> None:
    code = """
import sys, threading, time
import kqv.cli.main, kqv.__main__
def main():
    threading.Thread(target=time.sleep, args=(300,)).start()
    print("said")
    sys.exit(3)
kqv.cli.main.main, kqv.__main__.LEAVING = main, 0.1
kqv.__main__.run()
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "said\n", "")
