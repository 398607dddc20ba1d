"""Asking a lab without a server, and waiting for what it does meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient

from kqv.lab.app import create_app
from kqv.lab.guard import PAGE_TOKEN
from kqv.lab.settings import Settings

PATIENCE = 240.0  # seconds


def until(found: Callable[[], Any]) -> Any:
    """What `found` gives once it gives something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def asking(settings: Settings) -> TestClient:
    """A page of a lab with these settings; `client.app.state.lab` is what its requests share."""
    return TestClient(
        create_app(settings), base_url="http://localhost:8000", headers={PAGE_TOKEN: settings.page_token},
        raise_server_exceptions=True,
    )  # fmt: skip
