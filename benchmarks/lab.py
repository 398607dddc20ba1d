"""How long people wait in `kqv lab`: for the first page, a training's first numbers, a trace, a chosen cell, the stop.

    python benchmarks/lab.py

Everything goes over HTTP, as the page asks for it, from a process of its own with an empty folder of runs; the cells
are random ones of a GPT with 10.7 million weights that reads 128 tokens, chosen in a trace of forward, backward and one
step of AdamW (`--optimizer muon`: of Muon). Where SmolLM2 is here, a text of some 300 tokens is read by it. In seconds,
cells in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from machine import machine

ROOT = Path(__file__).parents[1]
LARGE = "--recipe nanogpt-cpu --data python-docs --layers 6 --width 384 --heads 6 --context 256 --steps 1"
PREFIXES = {"forward": "", "backward": "grad:", "update": "update:"}


class Page:
    """A page of a lab: its address, and the token that it was given."""

    def __init__(self, address: str) -> None:
        self.address = address
        found = re.search(r'kqv-page-token" content="([^"]+)"', self._ask("").decode())
        assert found is not None
        self.token = found[1]

    def _ask(self, path: str, body: Any = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", "x-kqv-page": getattr(self, "token", "")}
        with urllib.request.urlopen(urllib.request.Request(self.address + path, data, headers)) as answer:
            content: bytes = answer.read()
            return content

    def get(self, path: str) -> Any:
        """What the lab says."""
        return json.loads(self._ask(f"api/{path}"))

    def post(self, path: str, body: Any) -> Any:
        """What the lab says to what changes something."""
        return json.loads(self._ask(f"api/{path}", body))


@contextmanager
def lab(folder: str) -> Iterator[tuple[subprocess.Popen[str], str, float]]:
    """`kqv lab` as a process: it, its address, and when it was started."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "kqv", "lab", "--no-browser", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
        yield process, address, started
        process.kill()


def cells_of(header: dict[str, Any], count: int) -> list[str]:
    """Random cells of random tensors, in all phases that they have."""
    chance = random.Random(1)
    found = []
    for _ in range(count):
        tensor = chance.choice([one for one in header["tensors"] if one["sizes"] and 0 not in one["sizes"]])
        index = ",".join(str(chance.randrange(size)) for size in tensor["sizes"])
        found.append(f"{PREFIXES[chance.choice(tensor['phases'])]}{tensor['name']}[{index}]")
    return found


def waits(folder: str, cells: int, optimizer: list[str]) -> dict[str, Any]:
    """All waits, one after the other; `optimizer`: what the traced step is told besides."""
    found: dict[str, Any] = {}
    with lab(folder) as (process, address, started):
        page = Page(address)
        found["first page"] = time.perf_counter() - started
        page.post("training/start", {"system": "digits", "changes": {}})
        while not any(run.get("step") for run in page.get("training/runs")["runs"]):
            time.sleep(0.05)
        found["first numbers of a training, from the start of the lab"] = time.perf_counter() - started
        process.send_signal(signal.SIGINT)
        stopping = time.perf_counter()
        process.wait()
        found["stop, while it trains"] = time.perf_counter() - stopping
    train = [sys.executable, "-m", "kqv", "train", "gpt", *LARGE.split(), *optimizer, "--out", "runs/gpt"]
    subprocess.run(train, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    with lab(folder) as (_, address, _):
        page = Page(address)
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        asked = {"model": "gpt", "input": "".join(sign for sign in text if sign.isascii())[:129]}
        for name in ("first trace, with loading the model", "trace"):
            began = time.perf_counter()
            header = page.post("traces", asked)
            found[name] = time.perf_counter() - began
            asked["input"] = asked["input"][1:] + "e"  # another one: the same would be answered from what is kept
        times = []
        for cell in cells_of(header, cells):
            began = time.perf_counter()
            page.get(f"traces/{header['id']}/cell?cell={urllib.request.quote(cell)}")  # type: ignore[attr-defined]
            times.append(1000 * (time.perf_counter() - began))
        found["cell: median, 95 %, most, in ms"] = [
            statistics.median(times), sorted(times)[int(0.95 * len(times))], max(times),
        ]  # fmt: skip
    return found


def long_text(folder: str, words: int) -> dict[str, Any]:
    """How long a long text takes in the room Sentence on SmolLM2, where that is here: the pass, and its gradients."""
    with lab(folder) as (_, address, _):
        page = Page(address)
        here = any(model["name"] == "smollm2" and model["here"] for model in page.get("sentence/models"))
        if not here:
            return {"a long text on smollm2": "not measured: kqv data fetch smollm2"}
        text = (ROOT / "docs" / "guide" / "5-gpt.md").read_text(encoding="utf-8")
        asked: dict[str, Any] = {"model": "smollm2", "text": "The pizza came out of the oven and it tasted good"}
        page.post("sentence/read", asked)  # the model is loaded
        asked["text"] = " ".join([word for word in text.split() if word.isalpha()][:words])
        found: dict[str, Any] = {}
        for name, gradients in (("forward", False), ("with gradients", True)):
            began = time.perf_counter()
            read = page.post("sentence/read", {**asked, "gradients": gradients})
            found[f"{len(read['texts'][0]['ids'])} tokens on smollm2, {name}"] = time.perf_counter() - began
        return found


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=400)
    parser.add_argument("--words", type=int, default=270, help="of the long text")
    parser.add_argument("--optimizer", help="of the traced step; muon has sums of a matrix's all numbers")
    arguments = parser.parse_args()
    optimizer = [] if arguments.optimizer is None else ["--optimizer", arguments.optimizer]
    with tempfile.TemporaryDirectory() as folder:
        found = {**waits(folder, arguments.cells, optimizer), **long_text(folder, arguments.words)}
        print(json.dumps({"machine": machine(), **found}, indent=2))


if __name__ == "__main__":
    main()
