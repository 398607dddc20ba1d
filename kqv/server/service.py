"""What every served model is to the server: its routes, what is said of it, and how it ends."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from fastapi import APIRouter

from kqv.errors import Error
from kqv.server.metrics import Metrics
from kqv.server.settings import Settings
from kqv.systems.source import ModelSource
from kqv.systems.system import kind_named
from kqv.training.devices import choose_device

SERVICES = {
    "gpt": "kqv.server.writer_service", "translate": "kqv.server.translator", "digits": "kqv.server.recogniser",
    "encoder": "kqv.server.encoder",
}  # fmt: skip
"""What serves a model of each system or kind: the module whose `open_service` it is."""

WRITES = "gpt"
"""The kind whose weights can be kept in a smaller type."""


@dataclass(frozen=True)
class Service:
    """A model that is served.

    `routers`: its endpoints; `state`: what they work with, as `request.app.state.model`. `description`: of the model,
    in a few words. `path`, `example`: what to ask first, and with which words of curl. `notes`: what else is to be
    known.
    """

    routers: tuple[APIRouter, ...]
    state: Any
    description: str
    path: str
    example: tuple[str, ...]
    notes: tuple[str, ...] = ()
    close: Callable[[], None] = lambda: None

    def curl(self, settings: Settings) -> str:
        """A line for a shell that asks it."""
        access = [] if settings.token is None else ["-H", f"Authorization: Bearer {settings.token}"]
        return shlex.join(["curl", f"{settings.address}{self.path}", *access, *self.example])


def body_of(**content: Any) -> tuple[str, ...]:
    """Words of curl that send a JSON object."""
    return "-d", json.dumps(content, ensure_ascii=False, allow_nan=False)


def open_service(source: ModelSource, best: bool, device: str, settings: Settings, metrics: Metrics) -> Service:
    """Load a model to be served. Raises `Error` for a kind that has no endpoint, and as loading it."""
    kind = kind_named(source.system)
    if kind.name not in SERVICES:
        known = ", ".join(SERVICES)
        raise Error(f"{source.name} is a model of the kind {kind.name}, which has no endpoint; served are: {known}")
    if settings.weights != "float32" and kind.name != WRITES:
        raise Error(
            f"{settings.weights} weights are for models that write token by token, and {source.name} is of the kind "
            f"{kind.name}; leave --weights out"
        )
    chosen = choose_device(device)
    loaded = kind.load(source, best)
    getattr(loaded, "model", loaded).to(chosen)
    found: Service = import_module(SERVICES[kind.name]).open_service(source, loaded, settings, metrics)
    return found
