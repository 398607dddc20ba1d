"""How much memory and time it takes to train on a text that is larger than memory should have to be.

    python benchmarks/large_text.py                          # 2 GB, byte pairs
    python benchmarks/large_text.py --gigabytes 0.2 --tokenizer characters --batch 16

The text is made of drawn words, no two lines alike, in a folder that is removed again; so are the kept tokens. The
training is `kqv train gpt`, typed as a person would. Memory is what the system counts for that process: `peak` all that
was in memory at once, of which pages of mapped files (the kept tokens) can be given back at any time; `own` without
these, looked at every 50 ms. A second training reads the kept tokens.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WORDS, LINE = 50_000, 12
BLOCK = 20_000  # lines


def main() -> None:
    """Make the text, train on it twice, and print what each took as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--tokenizer", default="bpe")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the text and its tokens are put; needs twice its size")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kqv-large-", dir=given.folder) as folder:
        text = Path(folder, "text.txt")
        write_text(text, round(given.gigabytes * 1e9))
        for which in ("first", "again"):
            command = [
                "train", "gpt", "--data", str(text), "--tokenizer", given.tokenizer, "--steps", str(given.steps),
                "--layers", "2", "--heads", "2", "--width", "64", "--context", "64", "--out", f"{folder}/{which}",
                "--json",
            ]  # fmt: skip
            found = measured([sys.executable, "-m", "kqv", *command], Path(folder))
            print(json.dumps({"training": which, "text": text.stat().st_size, **found}), flush=True)


def write_text(path: Path, size: int) -> None:
    """So many bytes of words, drawn as in a language: the n-th as often as 1/n."""
    chance = random.Random(1)
    letters = "etaoinshrdlucmfwypvbgkjqxzäöüß"
    words = ["".join(chance.choices(letters, weights=range(30, 0, -1), k=chance.randint(2, 10))) for _ in range(WORDS)]
    weights = [1 / (number + 1) for number in range(WORDS)]
    written = 0
    with path.open("wb") as file:
        while written < size:
            drawn = chance.choices(words, weights, k=BLOCK * LINE)
            lines = [" ".join(drawn[at : at + LINE]) for at in range(0, len(drawn), LINE)]
            for _ in range(20):  # other lines of the same words: drawing all of them takes too long
                chance.shuffle(lines)
                written += file.write(("\n".join(lines[: BLOCK // 2]) + "\n").encode())


def measured(command: list[str], folder: Path) -> dict[str, Any]:
    """Run a command; its memory in MB, its seconds of waiting and of computing."""
    began, own = time.monotonic(), 0
    environment = {**os.environ, "XDG_CACHE_HOME": f"{folder}/cache"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while True:
        found, status, used = os.wait4(process.pid, os.WNOHANG)
        if found:
            break
        own = max(own, held(process.pid))
        time.sleep(0.05)
    if status:
        raise SystemExit(f"the training ended with {os.waitstatus_to_exitcode(status)}")
    return {
        "peak": used.ru_maxrss * 1024 // 10**6, "own": own // 10**6, "seconds": round(time.monotonic() - began),
        "computed": round(used.ru_utime + used.ru_stime),
    }  # fmt: skip


def held(pid: int) -> int:
    """Bytes that a process has of its own: in memory, and no pages of files."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), 0)


if __name__ == "__main__":
    main()
