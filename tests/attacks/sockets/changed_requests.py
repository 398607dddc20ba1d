"""Real requests of each route with something changed: a field, the query, what stands in the path, or the method."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from connections import OUTSIDE, wrong
from listeners import Served
from mutations import VALUES, of_bytes, of_json
from real_requests import LAB, MADE, SERVE, Asked

TOGETHER = 20  # requests of one attack
SLOWER = ("train", "start", "continue")
"""Of routes that start processes few are asked as they are."""

NUMBERS = (
    "-1",
    "0",
    "7",
    "1.5",
    "NaN",
    "2147483648",
    "1000000000",
    "9" * 18,
    "9" * 25,
    "9" * 4500,
    "\u0663",
    "\u00b2",
    "1e9",
)
"""In place of a number in a text."""

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "X")


def asked_wrongly(served: Served, chance: Random) -> str:
    """Ask for this and that; what fell, in a line."""
    made = _made(served) if served.token else {}
    for _ in range(TOGETHER):
        asked = chance.choice(LAB if served.token else SERVE)
        method, path, body, headers, done = _changed(asked, made, chance)
        if said := wrong(served.asked(method, path, body, headers)):
            return f"{method} {path[:200]} {done}: {said}"
    return ""


def _made(served: Served) -> dict[str, str]:
    """Ids of what was made in the lab, by what it is called."""
    found = {}
    for name, route, body in MADE:
        answer = served.asked("POST", route, json.dumps(body).encode())
        content = json.loads(answer.body) if answer.status == 200 else {}
        found[name] = str(content.get("id", content.get("trace", "none")))
    return found


def _changed(asked: Asked, made: dict[str, str], chance: Random) -> tuple[str, str, bytes | None, dict[str, str], str]:
    """Method, path, body, headers and what was changed."""
    what = chance.choice(("body", "body", "body", "query", "path", "method", "type", "nothing"))
    method = chance.choice(METHODS) if what == "method" else asked.method
    within = {name: quote(made.get(value, value)) for name, value in asked.within.items()}
    if what == "path":
        within = {name: chance.choice(OUTSIDE) for name in within}
    path = Asked(asked.method, asked.route, within=within).path()
    query = {name: made.get(str(value), value) for name, value in asked.query.items()}
    if what == "query" and query:
        name = chance.choice(list(query))
        query[name] = _text(str(query[name]), chance)
        if chance.random() < 0.2:
            del query[name]
    path += f"?{urlencode(query)}" if query else ""
    headers = {"content-type": "application/json"}
    if what == "type":
        headers = {"content-type": chance.choice(("text/plain", "image/png", "multipart/form-data", "", "a" * 9000))}
    body, done = _body(asked.body, made, chance, what == "body" and asked.body is not None)
    if any(word in asked.route for word in SLOWER) and what != "body":
        body = b"{}"
    return method, path, body, headers, f"{what} {done}"


def _text(text: str, chance: Random) -> str:
    """Something else in place of a text: another value, another number in it, or a part of it."""
    kind, at = chance.randrange(4), chance.randrange(len(text) + 1)
    if kind == 0:
        return str(chance.choice(VALUES))[:5000].encode("utf-8", "replace").decode()
    if kind == 1:
        return re.sub(r"\d+", lambda _: chance.choice(NUMBERS), text)
    if kind == 2:
        return text[:at] + chance.choice("[],:#=@\0 -\u0663\U0001f600") + text[at:]
    return text[:at] if chance.random() < 0.5 else text * chance.choice((2, 100))


def _body(body: Any, made: dict[str, str], chance: Random, changed: bool) -> tuple[bytes | None, str]:
    if body is None:
        return None, ""
    if isinstance(body, bytes):
        return of_bytes(body, chance) if changed else (body, "")
    text = json.dumps(body)
    for name, identity in made.items():
        text = text.replace(f'"{name}"', json.dumps(identity))
    if not changed:
        return text.encode(), ""
    if chance.random() < 0.1:
        return text.replace('"', '"\\ud800', 1).encode(), "a name with half a character"
    if chance.random() < 0.1:
        return of_bytes(text.encode(), chance)
    text, done = of_json(text, chance)
    return text.encode("utf-8", "surrogatepass"), done
