"""A real browser on a real lab: `opened(settings)` serves one and gives its address; `page` notes what goes wrong."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from learned import digit_network, word_gpt

from kqv.errors import Error
from kqv.http.listening import listening
from kqv.lab.app import create_app
from kqv.lab.pages import require_pages
from kqv.lab.settings import Settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser, a lab and its trainings share two cores with all other tests: what fails once is tried once more, and
    the summary says so (RERUN)."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, without a window; skips where there is none, or where the lab's pages were not built."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    try:
        require_pages()
    except Error as failure:
        pytest.skip(str(failure))
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs to copy: `small`, a network that knows its digits, and `gpt`, which knows the pizza's sentence."""
    folder = tmp_path_factory.mktemp("learned")
    word_gpt(folder / "gpt")
    digit_network(folder / "small")
    return folder


@pytest.fixture
def runs(learned: Path, tmp_path: Path) -> Path:
    """A folder of a test's own with both."""
    shutil.copytree(learned, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def opened() -> Iterator[Callable[[Settings], Opened]]:
    """Serve a lab with some settings, on a free port; all are stopped at the test's end."""
    labs: list[Opened] = []

    def opening(settings: Settings) -> Opened:
        labs.append(Opened(settings))
        return labs[-1]

    yield opening
    for lab in labs:
        lab.stop()


class Opened:
    """A lab that is served by a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self.socket = listening(settings.host, 0, exactly=True, backlog=256)
        self.settings = replace(settings, port=self.socket.getsockname()[1])
        self.app = create_app(self.settings)
        self.lab = self.app.state.lab
        config = uvicorn.Config(self.app, log_level="warning", timeout_graceful_shutdown=1, lifespan="off", ws="none")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self.server.serve(sockets=[self.socket]))

    @property
    def address(self) -> str:
        """Where its pages are."""
        return self.settings.address

    def stop(self) -> None:
        """End it, and what it runs."""
        self.lab.close()
        self.server.should_exit = True
        self.thread.join(10)
        self.socket.close()


@dataclass
class Noted:
    """A page, and all that should not happen on it: errors on the console, refused by its policy, asked of others."""

    page: Any
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Note from now on."""
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda failure: self.errors.append(str(failure)))
        self.page.on("request", self._asked)

    def _heard(self, message: Any) -> None:
        if "willReadFrequently" in message.text:  # a test that looks at pixels
            return
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "http://localhost:", "blob:", "data:")):
            self.strangers.append(request.url)

    def require_clean(self) -> None:
        """Nothing went wrong so far."""
        assert self.errors == []
        assert self.strangers == []


@pytest.fixture
def noted(browser: Any) -> Iterator[Noted]:
    """A new page, 1280 wide, in English and light colours; `require_clean` is called at the end."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, locale="en-GB", color_scheme="light", reduced_motion="reduce"
    )
    context.set_default_timeout(60_000)
    found = Noted(context.new_page())
    found.listen()
    yield found
    found.require_clean()
    context.close()
