"""A served model: as a process of its own, once for all tests, and as an application without a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from serving import Served, Small, begin
from small_chat import chat_folder

from kqv.server.app import create_app
from kqv.server.log import Logged
from kqv.server.metrics import Metrics
from kqv.server.service import open_service
from kqv.server.settings import Settings
from kqv.systems.source import find_model


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """A small model with a chat template."""
    folder = tmp_path_factory.mktemp("served") / "chatty"
    return Small(folder, *chat_folder(folder))


@pytest.fixture(scope="session")
def served(small: Small) -> Iterator[Served]:
    """The small model, served by a process of its own."""
    found = begin(small.folder.parent, "chatty")
    with found.process:
        yield found
        found.process.kill()


@pytest.fixture
def asking() -> Iterator[Callable[..., TestClient]]:
    """A function that serves a model without a socket: its name, and settings."""
    closing: list[Callable[[], None]] = []

    def serving(name: str | Path, **settings: Any) -> TestClient:
        chosen = Settings(**{"name": "small", **settings})
        metrics = Metrics()
        service = open_service(find_model(name), False, "cpu", chosen, metrics)
        closing.append(service.close)
        app = create_app(service, chosen, metrics)
        lines: list[str] = []
        logged = Logged(app, lines.append, metrics, app.state.paths, chosen.limits.patience)
        client = TestClient(logged, base_url=chosen.address, raise_server_exceptions=False)
        client.lines = lines  # type: ignore[attr-defined]
        return client

    yield serving
    for close in closing:
        close()
