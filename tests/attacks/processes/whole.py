"""Whole processes of Python: other encodings with names and texts that are not ASCII, and signals while standard input
is being fed.

A process that is forked has its encodings already; these begin as somebody types them, which costs seconds each.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

from commands import WAIT, Ended
from found import Found, Plan
from kinds import copied
from surroundings import wrong

ROOT = Path(__file__).parents[3]
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""The one way to have Python read names as ASCII."""

ENCODINGS: dict[str, dict[str, str]] = {
    "PYTHONIOENCODING=ascii": {"PYTHONIOENCODING": "ascii"},
    "PYTHONIOENCODING=ascii, NO_COLOR": {"PYTHONIOENCODING": "ascii", "NO_COLOR": "1", "COLUMNS": "40"},
    "PYTHONIOENCODING=latin-1": {"PYTHONIOENCODING": "latin-1"},
    "PYTHONIOENCODING=utf-16": {"PYTHONIOENCODING": "utf-16"},
    "PYTHONIOENCODING=cp037": {"PYTHONIOENCODING": "cp037:strict"},
    "LC_ALL=C": {"LC_ALL": "C"}, "LC_ALL=POSIX": {"LC_ALL": "POSIX", "LANG": "nonsense"}, "ASCII": ASCII,
    "ASCII, all of it": ASCII | {"PYTHONIOENCODING": "ascii:strict"},
}  # fmt: skip
TEXTS = ("Fluß", "Übergang über den Fluß", "試す", "To be – “or” not", "e\u0301 \u202e x", "\U0001f600")
SMALL = ("--steps", "1", "--layers", "1", "--width", "8", "--heads", "1", "--context", "8")
NAMES = {"picture.png": "Bild ü.png", "text.txt": "Fluß.txt", "run-gpt": "Läufe", "run-translate": "Übersetzer"}
"""What some of the materials are called here."""

TYPED: tuple[tuple[str, ...], ...] = (
    ("generate", "Läufe", "--tokens", "3", "--prompt", "TEXT"), ("generate", "Läufe", "--tokens", "3"),
    ("generate", "Läufe", "--tokens", "3", "--json"), ("trace", "Läufe", "TEXT"), ("why", "Läufe", "TEXT"),
    ("trace", "run-digits", "--html", "Zahl ü.html"), ("translate", "Übersetzer"), ("translate", "Übersetzer", "TEXT"),
    ("classify", "run-digits", "Bild ü.png"), ("evaluate", "nichts mit ß"), ("runs", "."), ("runs", ".", "--json"),
    ("train", "gpt", "--data", "Fluß.txt", *SMALL, "--out", "Neu ü"), ("data", "list"), ("plan", "gpt"), ("TEXT",),
    ("train", "gpt", "--data", "Fluß.txt", *SMALL, "--tokenizer", "bytes", "--out", "Neu ü"), ("--help",),
    ("export", "Läufe", "--to", "gguf", "ü.gguf"), ("rebuild", "softmax", "--dir", "Übung"), ("tour", "--TEXT"),
    ("compare", "digits", "--vary", "width=4,ü", "--seeds", "1", "--steps", "2", "--out", "q"), ("add", "x", "１２"),
)  # fmt: skip
"""Commands as they are typed; TEXT is one of `TEXTS`, which comes on standard input too."""

FED = (("translate", "Übersetzer"), ("generate", "Läufe", "--tokens", "3"), ("mcp",), ("train", "digits", "--out", "n"))
"""Commands that get signals while their standard input is being fed; the last one does not read it."""

SIGNALS = ((signal.SIGINT,), (signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGINT, signal.SIGINT), ())
"""What they get; nothing: their input goes on until they were fed enough."""


def whole(materials: Path, plan: Plan) -> Iterator[Found]:
    """So many processes of each kind as are planned."""
    attacks = {"encodings": _encoded, "standard input": _fed}
    for turn in plan.turns("whole processes", attacks, "whole processes, {}"):
        while turn.goes_on():
            with tempfile.TemporaryDirectory(prefix="kqv-whole-") as above:
                folder = Path(above) / "here"
                folder.mkdir()
                for name in ("picture.png", "text.txt", "run-gpt", "run-translate", "run-digits"):
                    path = copied(materials / name, folder)
                    path.rename(folder / NAMES.get(name, name))
                if why := attacks[turn.name](folder, turn.chance):
                    turn.found.fell.append(why)
                turn.found.tried += 1
        yield turn.found


def _encoded(folder: Path, chance: Random) -> str:
    name, text = chance.choice(list(ENCODINGS)), chance.choice(TEXTS)
    words = tuple(word.replace("TEXT", text) for word in chance.choice(TYPED))
    process = _begun(words, folder, ENCODINGS[name])
    why = wrong(_ended(process, f"{text}\n".encode() * 3), is_heard="utf-16" not in name and "cp037" not in name)
    return f"{why}; {name}: {' '.join(words)}" if why else ""


def _fed(folder: Path, chance: Random) -> str:
    """Lines come one by one while a signal does."""
    words, signals, after = chance.choice(FED), chance.choice(SIGNALS), chance.random() * 6
    lines = [chance.choice((*TEXTS, "eins", "To be", "x" * 5000)).encode() for _ in range(200)]
    if chance.random() < 0.3:
        lines.insert(chance.randrange(20), chance.choice((b"\xff\xfe\x00", b"\0", b"\xed\xa0\x80")))
    process = _begun(words, folder, {})
    feeding = threading.Thread(target=_feed, args=(process, lines, 0.05 if signals else 0.0))
    feeding.start()
    if signals:
        time.sleep(after)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.02)
    ended = _ended(process, None, 20.0 if signals else WAIT)
    feeding.join()
    what = f"{' '.join(words)}, {[number.name for number in signals]} after {after:.2f} s"
    if not signals or ended.status in (0, 1) or ended.fell:
        why = "" if _is_before_kqv(ended) else wrong(ended, True)
    else:
        allowed = (128 + signals[0], -signals[0])
        why = "" if ended.status in allowed else f"status {ended.status}: {ended.last}"
    return f"{why}; {what}" if why else ""


def _is_before_kqv(ended: Ended) -> bool:
    """Whether Python was interrupted while it began, before the first line of kqv: nothing can be done about that."""
    return ended.last == "KeyboardInterrupt" and f"{ROOT / 'kqv'}{os.sep}" not in ended.err


def _begun(words: tuple[str, ...], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONIO"))}
    own |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "LANG": "C.UTF-8"} | environment
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-m", "kqv", *words], cwd=folder, env=own, stdin=pipe, stdout=pipe, stderr=pipe,
        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def _feed(process: subprocess.Popen[bytes], lines: list[bytes], between: float) -> None:
    assert process.stdin is not None
    with suppress(OSError):
        for line in lines:
            if process.poll() is not None:
                break
            process.stdin.write(line + b"\n")
            process.stdin.flush()
            time.sleep(between)
    with suppress(OSError):
        process.stdin.close()


def _ended(process: subprocess.Popen[bytes], content: bytes | None, seconds: float = WAIT) -> Ended:
    """Its end; `content` is its whole standard input (None: somebody else feeds it)."""
    said: dict[str, bytes] = {}

    def heard(name: str) -> None:
        with suppress(OSError, ValueError):
            said[name] = getattr(process, name).read()

    readers = [threading.Thread(target=heard, args=(name,)) for name in ("stdout", "stderr")]
    for reader in readers:
        reader.start()
    if content is not None:
        _feed(process, [content], 0.0)
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        status = -signal.SIGALRM
    for reader in readers:
        reader.join()
    out, err = (said.get(name, b"").decode("utf-8", "replace") for name in ("stdout", "stderr"))
    return Ended(status, out, err)
