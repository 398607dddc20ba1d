"""Asking a lab without a server."""

from __future__ import annotations

from fastapi.testclient import TestClient

from kqv.lab.app import create_app
from kqv.lab.guard import PAGE_TOKEN
from kqv.lab.settings import Settings


def asking(settings: Settings) -> TestClient:
    """A page of a lab with these settings; `client.app.state.lab` is what its requests share."""
    return TestClient(
        create_app(settings), base_url="http://localhost:8000", headers={PAGE_TOKEN: settings.page_token},
        raise_server_exceptions=True,
    )  # fmt: skip
