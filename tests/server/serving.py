"""`kqv serve` as a process, and what it serves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from kqv.data.text.byte_pairs import BytePairs
from kqv.models.gpt import GPT


@dataclass
class Small:
    """The folder of the small model, and what is in it."""

    folder: Path
    model: GPT
    tokenizer: BytePairs


@dataclass
class Served:
    """`kqv serve` as a process."""

    process: subprocess.Popen[str]
    address: str
    folder: Path

    @property
    def log(self) -> str:
        """Its lines so far."""
        return (self.folder / "log.txt").read_text(encoding="utf-8")

    def said(self, pattern: str) -> bool:
        """Whether a line of the log comes to match."""
        ends = time.monotonic() + 20
        while not re.search(pattern, self.log):
            if time.monotonic() > ends:
                return False
            time.sleep(0.02)
        return True


def begin(folder: Path, *words: str) -> Served:
    """Serve in a folder, and wait until it can be asked."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "kqv", "serve", *words, "--port", "0"], cwd=folder, stdout=subprocess.PIPE,
            stderr=log, text=True, env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
    assert process.stdout is not None
    while True:
        line = process.stdout.readline()
        assert line, (folder / "log.txt").read_text()
        if found := re.search(r"Served at (http://\S+)/v1", line):
            return Served(process, found[1], folder)
