"""The lab of a test: its own folder of runs, asked without a server, or served to a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from lab_pages import asking

from kqv.lab.settings import Settings


@pytest.fixture
def lab_settings(tmp_path: Path) -> Settings:
    """A lab over an empty folder of runs; a test that needs runs makes them in `lab_settings.runs`."""
    return Settings(runs=tmp_path / "runs")


@pytest.fixture
def client(lab_settings: Settings) -> Iterator[TestClient]:
    """A page's requests: they come from the lab's own address and carry its token."""
    with asking(lab_settings) as found:
        yield found
