"""Real requests of the lab's pages and of clients of a served model: one or more for each route."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

PICTURE = struct.pack("<784f", *(float(number % 28 == 9) for number in range(784)))


@dataclass(frozen=True)
class Asked:
    """A request: method, path as its route has it, what stands in the path's braces, in the query and in the body."""

    method: str
    route: str
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    within: dict[str, str] = field(default_factory=dict)

    def path(self) -> str:
        """The path without braces."""
        found = self.route
        for name, value in self.within.items():
            found = found.replace("{" + name + "}", value)
        return found


LESSON, DIGITS, TEXT, SUM = "LESSON", "DIGITS", "TEXT", "SUM"
"""Stand for what the lab has to make first: a lesson, and traces of three models."""

CELL = "blocks.0.attention.scores[0,0,1,0]"


def _get(route: str, query: dict[str, Any] | None = None, **within: str) -> Asked:
    return Asked("GET", route, query or {}, None, within)


def _post(route: str, body: Any = None, query: dict[str, Any] | None = None, **within: str) -> Asked:
    return Asked("POST", route, query or {}, body, within)


def _of_trace(name: str, query: dict[str, Any] | None = None, identity: str = TEXT) -> Asked:
    return _get(f"/api/traces/{{identity}}{name}", query, identity=identity)


def _of_run(name: str, query: dict[str, Any] | None = None, run: str = "run-digits") -> Asked:
    return _get(f"/api/training/runs/{{name}}{name}", query, name=run)


def _of_lesson(name: str, body: Any = None, query: dict[str, Any] | None = None, method: str = "POST") -> Asked:
    return Asked(method, f"/api/digits/lessons/{{identity}}{name}", query or {}, body, {"identity": LESSON})


WHY = {"trace": TEXT, "cell": CELL, "position": 1, "token": 3, "against": 2}
TRAINING = {
    "system": "digits", "recipe": "digits", "data": None, "minutes": None,
    "changes": {"layers": 1, "width": 4, "batch": 10, "learning_rate": 0.1, "seed": 1, "steps": 3},
}  # fmt: skip
QUESTION = {"what": "digits", "recipe": None, "vary": {"width": "4,5"}, "seeds": 1, "steps": 2}
PROGRAM = {"text": "def softmax(z):\n    return z\n", "before": ""}
SENTENCE = {"model": "run-gpt", "text": "To be", "translation": None, "like": None, "gradients": True}
WRITING = {
    "model": "run-gpt", "text": "To be", "tokens": 8, "temperature": 0.8, "top_k": 5, "top_p": 0.9, "min_p": None,
    "repetition_penalty": 1.0, "seed": 3,
}  # fmt: skip

LAB = (
    _get("/"), _get("/assets/{name}", name="index.js"), _get("/api/models", {"system": "gpt"}),
    _get("/api/shapes"), _post("/api/shapes", {"model": "run-gpt", "sizes": {"width": 16}}),
    _get("/api/exercises"), _get("/api/exercises/{name}", name="softmax"), _post("/api/exercises/training/stop"),
    _post("/api/exercises/{name}/save", PROGRAM, name="softmax"),
    _post("/api/exercises/{name}/check", PROGRAM, name="softmax"),
    _post("/api/exercises/{name}/hint", name="softmax"), _post("/api/exercises/{name}/reset", name="softmax"),
    _post("/api/exercises/{name}/train", {"data": None, "epochs": 1}, name="softmax"),
    _get("/api/traces"), _post("/api/traces", {"model": "run-gpt", "input": "To be", "label": None}),
    _of_trace(""), _of_trace("/numbers", {"tensor": "logits", "phase": "forward", "window": "0,0:2,0:3"}),
    _of_trace("/numbers", {"tensor": "logits", "blocks": "1,1,2", "reduce": "mean"}),
    _of_trace("/summary", {"tensor": "logits", "phase": "backward"}),
    _of_trace("/words", {"tensor": "logits", "dimension": "position", "start": 0, "stop": 2, "example": 0}),
    _of_trace("/cell", {"cell": CELL, "terms": 6}), _of_trace("/path", {"cell": CELL}),
    _of_trace("/page", {"word": "o"}), _get("/api/code", {"file": "kqv/operations/softmax.py", "line": 20}),
    _get("/api/training/systems"), _get("/api/training/runs"), _post("/api/training/start", TRAINING),
    _post("/api/training/stop", {"name": "run-digits"}),
    _post("/api/training/continue", {"name": "run-digits", "steps": 4}),
    _of_run(""), _of_run("/curve", {"key": "training loss"}), _of_run("/weights"),
    _of_run("/weights/spread", {"tensor": "layers.0.weight"}),
    _of_run("/weights/picture", {"tensor": "layers.0.weight", "step": 2}), _of_run("/looks"),
    _of_run("/pictures", {"which": "0,1,2"}), _get("/api/questions"),
    _get("/api/questions/fields", {"system": "gpt", "recipe": "gpt"}), _post("/api/questions/start", QUESTION),
    _post("/api/questions/stop", {"name": "compare-digits"}), _post("/api/questions/continue", {"name": "x"}),
    _get("/api/questions/{name}", name="compare-digits"),
    _get("/api/questions/{name}/line", {"part": 0, "line": 0}, name="compare-digits"),
    _get("/api/questions/{name}/attention", name="compare-digits"),
    _get("/api/questions/{name}/attention/map", {"variant": "a", "head": 0}, name="compare-digits"),
    _post("/api/digits/lessons", {"run": "run-digits"}),
    _of_lesson("/glance", PICTURE, {"rows": 28, "columns": 28}),
    _of_lesson("/drawing", PICTURE, {"rows": 28, "columns": 28}), _of_lesson("/file", b"\x89PNG\r\n\x1a\n" + PICTURE),
    _of_lesson("/example", None, {"number": 3, "kind": "any"}), _of_lesson("/again"),
    _of_lesson("/label", {"label": 3}),
    _of_lesson("/steps", {"steps": 2, "rule": "gradient-descent", "rate": 0.1}), _of_lesson("/reset"),
    _of_lesson("/numbers", None, {"tensor": "layers.0.z", "phase": "forward"}, "GET"),
    _of_lesson("/cell", None, {"cell": "layers.0.z[0,1]", "terms": 6}, "GET"), _of_lesson("/trace"),
    _get("/api/sentence/models"), _get("/api/sentence/fetch"), _post("/api/sentence/fetch/stop"),
    _post("/api/sentence/read", SENTENCE), _post("/api/sentence/read", SENTENCE | {"model": "run-translate"}),
    _get("/api/sentence/attention", {"trace": TEXT, "text": 0, "query": 1}),
    _get("/api/sentence/next", {"trace": TEXT, "position": 1}), _post("/api/sentence/write", WRITING),
    _post("/api/sentence/stop"), _post("/api/sentence/why", WHY),
    _post("/api/sentence/why/changed", WHY | {"changes": [
        {"how": "without", "part": "block 0 head 0", "text": None, "query": 1, "key": 0}]}),
    _post("/api/sentence/why/tested", WHY | {"most": 2}),
    _get("/api/adder/{identity}", identity=SUM),
    _get("/api/adder/{identity}/numbers", {"phase": "forward"}, identity=SUM),
)  # fmt: skip
"""What the lab's pages ask for."""

MADE = (
    (LESSON, "/api/digits/lessons", {"run": "run-digits"}), (DIGITS, "/api/traces", {"model": "run-digits"}),
    (TEXT, "/api/sentence/read", SENTENCE),
    (SUM, "/api/traces", {"model": "run-adder", "input": "12+34"}),
)  # fmt: skip
"""What has to be made in a lab before it is asked for: what it is called here, its route and body."""

_GENERATION = {
    "model": "gpt2", "temperature": 0.9, "top_p": 0.9, "top_k": 20, "min_p": 0.01, "repetition_penalty": 1.1, "n": 2,
    "seed": 5, "stop": ["xyz"], "stream": False,
}  # fmt: skip
COMPLETION = _GENERATION | {"prompt": "To be", "max_tokens": 6, "echo": True, "logprobs": 2}
SERVE = (
    _post("/v1/completions", COMPLETION), _post("/v1/completions", COMPLETION | {"prompt": [[1, 2], [3]]}),
    _post("/v1/completions", COMPLETION | {"stream": True, "stream_options": {"include_usage": True}}),
    _post("/v1/chat/completions", _GENERATION | {"messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "max_completion_tokens": 5, "logprobs": True, "top_logprobs": 3}),
    _get("/v1/models"), _get("/v1/models/{name:path}", **{"name:path": "gpt2"}), _get("/health"), _get("/metrics"),
)  # fmt: skip
"""What clients of a served GPT ask for."""

SERVE_DIGITS = (
    _post("/v1/classify", {"pictures": [[[0] * 28] * 28], "model": "run-digits"}), _get("/v1/models"),
)  # fmt: skip
SERVE_TRANSLATE = (
    _post("/v1/translate", {
        "texts": ["eins", "zwei"], "model": "run-translate", "beams": 2, "n_best": 2, "length_penalty": 1.0}),
)  # fmt: skip

NOT_ASKED = ("GET /api/events", "POST /api/sentence/fetch")
"""A stream without end, which other attacks read; and a download."""
