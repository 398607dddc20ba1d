"""Requests to the lab and to the server of models: bodies as their own description has them, with a field changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from arena import Attack
from fastapi import FastAPI
from fastapi.testclient import TestClient
from kinds import copied
from mutations import VALUES, of_json

NAMES = ("run-gpt", "run-digits", "x", "..", "0", "a%2Fb")
"""What stands in a path."""

TOGETHER = 10  # requests of one attack
SLOW = ("fetch", "events", "stream")  # routes that ask the network, or answer without end


def of_lab(materials: Path, chance: Random) -> Attack:
    """Requests to a lab with one run of each system."""
    seed = chance.random()

    def prepare(folder: Path) -> None:
        (folder / "runs").mkdir()
        for run in materials.glob("run-*"):
            copied(run, folder / "runs")

    def ask() -> None:
        from kqv.lab.app import create_app
        from kqv.lab.guard import PAGE_TOKEN
        from kqv.lab.settings import Settings

        settings = Settings(runs=Path("runs"))
        app = create_app(settings)
        client = TestClient(app, base_url="http://localhost:8000", headers={PAGE_TOKEN: settings.page_token})
        _ask(client, app, Random(seed))

    return Attack("requests", f"lab ({seed})", prepare, ask, keeps=False)


def of_server(materials: Path, chance: Random) -> Attack:
    """Requests to a served model."""
    seed = chance.random()

    def ask() -> None:
        from kqv.server.app import create_app
        from kqv.server.metrics import Metrics
        from kqv.server.service import open_service
        from kqv.server.settings import Settings
        from kqv.systems.source import find_model

        chosen, metrics = Settings(name="small"), Metrics()
        service = open_service(find_model("gpt2"), False, "cpu", chosen, metrics)
        app = create_app(service, chosen, metrics)
        _ask(TestClient(app, base_url=chosen.address), app, Random(seed))
        service.close()

    return Attack("requests", f"server ({seed})", lambda folder: _fill(materials, folder), ask)


def _fill(materials: Path, folder: Path) -> None:
    copied(materials / "models" / "gpt2", folder)


def _ask(client: TestClient, app: FastAPI, chance: Random) -> None:
    """Raise whatever an application raises; `AssertionError` for an answer that blames itself."""
    described = app.openapi()
    routes = [
        (path, method, asked)
        for path, methods in described["paths"].items()
        for method, asked in methods.items()
        if path != "/" and not any(word in path for word in SLOW)  # the page is not there before it is built
    ]
    for _ in range(TOGETHER):
        path, method, asked = chance.choice(routes)
        address = re.sub(
            r"\{[^}]*\}", lambda _: chance.choice(("run-gpt", "run-digits", "x", "..", "0", "a%2Fb")), path
        )
        options: dict[str, Any] = {"params": dict(_parameters(asked, chance))}
        schema = _body(asked)
        if schema is not None:
            text = json.dumps(_example(schema, described, 0))
            options["content"] = of_json(text, chance)[0].encode("utf-8", "surrogatepass")
            options["headers"] = {"content-type": "application/json"}
        print("asked:", method, address, repr(options)[:500])
        answer = client.request(method.upper(), address, **options)
        assert answer.status_code < 500 or answer.status_code == 503, f"{answer.status_code}: {answer.text[:300]}"


def _parameters(asked: dict[str, Any], chance: Random) -> Iterator[tuple[str, str]]:
    for one in asked.get("parameters", []):
        if one["in"] == "query" and chance.random() < 0.7:
            usual: Callable[[], Any] = lambda: chance.choice(("run-gpt", "runs/run-digits", 0, 1, "scores", "To be"))  # noqa: E731
            value = chance.choice(VALUES) if chance.random() < 0.5 else usual()
            yield one["name"], str(value)[:5000].encode("utf-8", "replace").decode()


def _body(asked: dict[str, Any]) -> dict[str, Any] | None:
    content = asked.get("requestBody", {}).get("content", {})
    found: dict[str, Any] | None = content.get("application/json", {}).get("schema")
    return found


def _example(schema: dict[str, Any], described: dict[str, Any], depth: int) -> Any:
    """A value that a schema allows."""
    if "$ref" in schema:
        return _example(described["components"]["schemas"][schema["$ref"].rpartition("/")[2]], described, depth)
    if "enum" in schema or "const" in schema:
        return schema.get("const", *schema.get("enum", [])[:1])
    for either in ("anyOf", "oneOf", "allOf"):
        if either in schema:
            return _example(schema[either][0], described, depth)
    kind = schema.get("type")
    if kind == "object":
        fields = schema.get("properties", {}) if depth < 5 else {}
        return {name: _example(field, described, depth + 1) for name, field in fields.items()}
    if kind == "array":
        return [_example(schema.get("items", {}), described, depth + 1)] if depth < 5 else []
    return {"string": "run-gpt", "integer": schema.get("minimum", 1), "number": 0.5, "boolean": True}.get(kind)
