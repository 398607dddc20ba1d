"""What the questions' room keeps while the lab runs: the processes that answer, and a thread that looks how far they
are."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from kqv.errors import Error, RunError
from kqv.experiments.folder import Folder, folder_for
from kqv.lab.questions.asked import QuestionAsked, arguments_of, question_of
from kqv.lab.questions.attention import Compared, Tracing, compared
from kqv.lab.questions.found import described, is_question, parts, summary
from kqv.lab.told import Told
from kqv.lab.training.children import Children
from kqv.plots.curves import Part

TOPIC = "questions"
BUSY, QUIET = 1.0, 3.0  # seconds between two looks
KEPT = 3  # questions whose attention maps are kept

Publish = Callable[[str, Any], None]


class QuestionsRoom:
    """The questions of a folder, and those that were asked here; `publish(topic, data)` tells the pages what is new."""

    def __init__(
        self, folder: Path, publish: Publish, children: Children, tracing: Tracing, own_data: bool = True
    ) -> None:
        self.folder, self.publish, self.children, self.own_data = folder, publish, children, own_data
        self.tracing = tracing
        self._told = Told()
        self._summaries: dict[str, dict[str, Any]] = {}
        self._maps: OrderedDict[tuple[str, float], Compared] = OrderedDict()
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="questions")

    def open(self) -> QuestionsRoom:
        """Begin to look."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop looking; the processes are the training room's, which ends them."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.is_set():
            busy = False
            with suppress(Error, OSError):
                busy = any(one["state"] in ("running", "starting", "stopping") for one in self.summaries())
            self._ended.wait(BUSY if busy else QUIET)

    def summaries(self) -> list[dict[str, Any]]:
        """Every question in short, the newest first; what is new is told."""
        with self._lock:
            found = {path.name: summary(Folder(path), self.children.of(path.name)) for path in self._folders()}
            found |= self._beginnings(found)
            for name, one in found.items():
                if self._summaries.get(name) != one:
                    self.publish(TOPIC, self._told(one))
            for gone in self._summaries.keys() - found.keys():
                self.publish(TOPIC, self._told({"name": gone, "state": "gone"}))
            self._summaries = found
            return [self._told(one) for one in found.values()]

    def _folders(self) -> list[Path]:
        try:
            found = [path for path in self.folder.iterdir() if Folder(path).has_question]
        except OSError:
            return []
        return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)

    def _beginnings(self, known: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Questions whose folders are not written yet, or never were, and why."""
        found = {}
        for name in self.children.names():
            child = self.children.of(name)
            if child is None or name in known or child.arguments[0] != "compare":
                continue
            if not child.is_alive:
                with suppress(OSError):  # it was made for the question, and nothing came into it
                    (self.folder / name).rmdir()
            if not child.is_alive and child.asked_to_stop:
                continue
            state = "starting" if child.is_alive else "died" if child.failed else "stopped"
            problem = "" if child.is_alive else child.last_words()
            found[name] = {"name": name, "state": state, "problem": problem, "done": 0, "runs": 0, "variants": [],
                           "question": "", "system": child.arguments[1], "vary": {}, "seeds": 0,
                           "ours": child.is_alive, "now": None, "command": child.command}  # fmt: skip
        return found

    def at(self, name: str) -> Folder:
        """A question's folder by its name; `RunError` for one that is not there."""
        if not is_question(self.folder, name):
            known = ", ".join(list(self._summaries)[:8])
            raise RunError(f"there is no question {name!r} in {self.folder}; there are: {known or 'none yet'}")
        return Folder(self.folder / name)

    def described(self, name: str) -> dict[str, Any]:
        """All that is known of a question."""
        if name in self._summaries and not is_question(self.folder, name):
            return self._summaries[name] | {"rows": [], "parts": []}
        return described(self.at(name), self.children.of(name))

    def parts(self, name: str) -> list[Part]:
        """A question's learning curves."""
        return parts(self.at(name))

    def attention(self, name: str) -> Compared:
        """The attention maps of a question's variants, side by side; computed once for what is trained now."""
        folder = self.at(name)
        settled = folder.settled()
        variants = () if settled is None else settled.variants
        changed = max((folder.run(variant, 1).changed for variant in variants), default=0.0)
        with self._lock:
            if (name, changed) not in self._maps:
                self._maps[name, changed] = compared(folder, self.tracing)
                while len(self._maps) > KEPT:
                    self._maps.popitem(last=False)
            return self._maps[name, changed]

    def start(self, asked: QuestionAsked) -> dict[str, Any]:
        """Ask a question; `Error` for what cannot be compared, before anything is started. The same question goes into
        the folder in which it was asked before."""
        question = question_of(asked, self.own_data)
        path = folder_for(question, None, self.folder).path
        return self._begin(path, arguments_of(asked, path))

    def resume(self, name: str) -> dict[str, Any]:
        """Resume one that was stopped."""
        folder = self.at(name)
        return self._begin(folder.path, ["compare", str(folder.path)])

    def _begin(self, path: Path, arguments: list[str]) -> dict[str, Any]:
        try:
            child = self.children.start(path.name, arguments)
        except Error:
            with suppress(OSError):  # a new, empty folder
                path.rmdir()
            raise
        self.summaries()
        return {"name": path.name, "state": "starting", "command": child.command}

    def stop(self, name: str) -> dict[str, Any]:
        """Ask one that the lab started to save everything and end; `Error` where it started none."""
        child = self.children.of(name)
        if child is None or not child.is_alive:
            raise Error(f"{name} was not started here, so it is stopped where it was: with Ctrl-C in its terminal")
        child.stop()
        return {"name": name, "state": "stopping"}
