"""SIGKILL and signals at random moments of every other command that writes: never half a file under a name.

Each command is stopped one to three times and then given again. After each stop, whatever stands there under a name of
its own is what an undisturbed command writes, to the last byte; in the end all of it is there, and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

from commands import Command, Ended
from found import Found, Plan
from kinds import copied
from moments import Moment
from stops import SIGNALS, signalled, wrong_end

from kqv.data.sources import SOURCES, File, Source
from kqv.data.text import tokens

CONTENT = b"To be, or not to be: that is the question.\n" * 40_000
ENDING = {"SIGKILL": (signal.SIGKILL,)} | {name: numbers for name, numbers in SIGNALS.items() if name != "SIGSTOP"}
TEMPORARY = ".part"


@dataclass(frozen=True)
class Job:
    """A command that writes: its words, what of the materials it needs, and what in it is never the same twice.

    `passing`: of a file's path, whether it may stand there unfinished, as the runs of a comparison do.
    """

    words: tuple[str, ...]
    needs: tuple[str, ...] = ()
    environment: dict[str, str | None] = field(default_factory=dict)
    before: Callable[[], None] | None = None
    passing: Callable[[str], bool] = lambda path: False


def jobs(address: str) -> dict[str, Job]:
    """All of them; `address`: where a file can be fetched."""
    own = {"XDG_CACHE_HOME": "cache", "KQV_DATA": None}
    question = ("compare", "digits", "--vary", "activation=sigmoid,relu", "--seeds", "2", "--steps", "6", "--out", "q")
    small = ("--layers", "1", "--width", "8", "--heads", "1", "--context", "8", "--batch", "2", "--steps", "1")
    return {
        "export gguf": Job(("export", "gpt2", "--to", "gguf", "new.gguf"), ("models/gpt2",)),
        "export hugging-face": Job(("export", "gpt2", "--to", "hugging-face", "new"), ("models/gpt2",)),
        "export onnx": Job(("export", "gpt2", "--to", "onnx", "new.onnx"), ("models/gpt2",)),
        "export onnx, a translator": Job(("export", "run-translate", "--to", "onnx", "new"), ("run-translate",)),
        "export ctranslate2": Job(("export", "run-translate", "--to", "ctranslate2", "new"), ("run-translate",)),
        "compare": Job(question, (), {"KQV_CHECKPOINT_SECONDS": "0"}, None, _of_runs),
        "data fetch": Job(("data", "fetch", "hamlet"), (), own, lambda: _register(address)),
        "token cache": Job(
            ("train", "gpt", "--data", "text.txt", "--tokenizer", "bpe", *small, "--out", "run"), ("text.txt",), own,
            _keep_all, lambda path: path.startswith("run"),
        ),
        "trace": Job(("trace", "run-digits", "--html", "new.html", "--export", "new.json"), ("run-digits",)),
        "rebuild": Job(("rebuild", "backprop")),
        "translate": Job(("translate", "run-translate", "eins 7 zwei drei"), ("run-translate",)),
        "generate": Job(("generate", "run-gpt", "--tokens", "40", "--prompt", "To be"), ("run-gpt",)),
    }  # fmt: skip


def stopped_jobs(materials: Path, plan: Plan) -> Iterator[Found]:
    """So many stops of each command as are planned."""
    with _server() as address, tempfile.TemporaryDirectory(prefix="kqv-jobs-") as above:
        every = jobs(address)
        for turn in plan.turns("jobs", every, "stop {}"):
            job, folder = every[turn.name], Path(above) / "here"
            wanted = Undisturbed.of(job, materials, folder)
            while turn.goes_on():
                if why := _one(turn.found, job, wanted, _prepared(job, materials, folder), turn.chance):
                    turn.found.fell.append(why)
                shutil.rmtree(folder)
            yield turn.found


@dataclass(frozen=True)
class Undisturbed:
    """A command that nobody stops: what it leaves, what it prints, how long it takes, and its moments."""

    files: dict[str, str]
    out: str
    seconds: float
    moments: int

    @classmethod
    def of(cls, job: Job, materials: Path, folder: Path) -> Undisturbed:
        """Run it once."""
        _prepared(job, materials, folder)
        count, begin = folder.parent / "moments", time.monotonic()
        ended = _command(job, folder, Moment(count=count)).begin().ended()
        seconds = time.monotonic() - begin
        if ended.status:
            raise RuntimeError(f"{' '.join(job.words)}: {ended.err}")
        found = cls(_files(folder), ended.out, seconds, int(count.read_text()))
        shutil.rmtree(folder)
        return found


def _one(found: Found, job: Job, wanted: Undisturbed, folder: Path, chance: Random) -> str:
    log, begun_with = [], set(_files(folder))
    for _ in range(chance.randint(1, 3)):
        name = chance.choice(("SIGKILL", chance.choice(list(ENDING))))
        before = _finished(folder)
        how, ended = signalled(_command(job, folder), ENDING[name], wanted.seconds, wanted.moments, chance)
        log.append(f"{name} at {how}")
        found.tried += 1
        refused = ended.status == 1 and "choose" in ended.last and set(wanted.files) <= set(_files(folder))
        why = "" if name == "SIGKILL" or refused else wrong_end(ended, ENDING[name])
        why = why or _half(job, wanted, folder) or ("" if "SIGKILL" in "".join(log) else _left(folder))
        why = why or _lost(before, folder)
        if why:
            return f"{why}; {'; '.join(log)}"
    ended = _command(job, folder).begin().ended()
    if why := _wrong_result(ended, job, wanted, folder, begun_with):
        return f"{why}; given again after {'; '.join(log)}"
    return ""


def _wrong_result(ended: Ended, job: Job, wanted: Undisturbed, folder: Path, begun_with: set[str]) -> str:
    there = ended.status == 1 and "choose" in ended.last  # an export that was done already is refused
    if ended.fell or (ended.status and not there):
        return ended.fell or f"status {ended.status}: {ended.last}"
    files = _files(folder)
    if missing := sorted(wanted.files.keys() - files.keys()):
        return f"{missing[0]} is missing"
    if more := sorted(files.keys() - wanted.files.keys()):
        return f"{more[0]} was left"
    differing = [path for path in files if files[path] != wanted.files[path]]
    return f"{differing[0]} is other than undisturbed" if differing else ""


def _half(job: Job, wanted: Undisturbed, folder: Path) -> str:
    for path, content in _files(folder).items():
        hidden = any(part.startswith(".") for part in Path(path).parts)
        if not hidden and not job.passing(path) and wanted.files.get(path) != content:
            return f"{path} is half there"
    return ""


def _left(folder: Path) -> str:
    found = [path.name for path in folder.rglob(f"*{TEMPORARY}")]
    return f"{found[0]} was left" if found else ""


def _finished(folder: Path) -> dict[Path, bytes]:
    """How the runs of a comparison ended, as far as they have."""
    return {path: path.read_bytes() for path in folder.glob("q/scores/*.json")}


def _lost(before: dict[Path, bytes], folder: Path) -> str:
    lost = [path.name for path, content in before.items() if not path.exists() or path.read_bytes() != content]
    return f"the finished run of {lost[0]} was not kept" if lost else ""


def _command(job: Job, folder: Path, moment: Moment | None = None) -> Command:
    own = {
        name: value and str(folder / value) if name == "XDG_CACHE_HOME" else value
        for name, value in job.environment.items()
    }
    return Command(job.words, folder, own, moment, job.before)


def _prepared(job: Job, materials: Path, folder: Path) -> Path:
    folder.mkdir()
    for name in job.needs:
        copied(materials / name, folder)
    return folder


def _files(folder: Path) -> dict[str, str]:
    """What stands in each file, by its path; without times, and without what a run's files say of one another."""
    return {
        str(path.relative_to(folder)): _digest(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def _digest(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix in (".json", ".jsonl"):
        lines = content.splitlines() if path.suffix == ".jsonl" else [content]
        try:
            content = repr([_timeless(json.loads(line)) for line in lines]).encode()
        except ValueError:
            content = b"half"
    if path.name == "checkpoint.safetensors":
        return "a state"  # it holds times; what it says of the weights, these are compared for
    return hashlib.sha256(content).hexdigest()


def _timeless(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _timeless(value) for name, value in content.items() if "second" not in name}
    return [_timeless(one) for one in content] if isinstance(content, list) else content


def _of_runs(path: str) -> bool:
    """Of a comparison: files of its runs, and what is settled variant by variant."""
    return (path.count(os.sep) >= 2 and "scores" not in path) or path.endswith("settled.json")


def _register(address: str) -> None:
    file = File("speech.txt", (f"{address}/speech.txt",), hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    SOURCES["hamlet"] = Source("hamlet", "a speech", "public domain", address, (file,), folder="plays")


def _keep_all() -> None:
    tokens.LARGE = 0  # bytes of a text from which on its tokens are kept
    shutil.rmtree("run", ignore_errors=True)


@contextmanager
def _server() -> Iterator[str]:
    """A server in a process of its own, since one that forks has no threads."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
        os.write(writing, str(server.server_address[1]).encode())
        os.close(writing)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while os.getppid() != 1:
            time.sleep(0.5)
        os._exit(0)
    os.close(writing)
    port = os.read(reading, 16).decode()
    os.close(reading)
    os.environ["NO_PROXY"] = "127.0.0.1"
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        try:
            for begin in range(0, len(CONTENT), 1 << 16):
                self.wfile.write(CONTENT[begin : begin + (1 << 16)])
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass
