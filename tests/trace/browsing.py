"""Running a page in Chromium without a window."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-ipc-flooding-protection --virtual-time-budget=60000"
)
FINISH = 'function finish(report) { document.title = "REPORT" + JSON.stringify(report) + "TROPER"; }'


def report_of(html: str, script: str, folder: Path, width: int = 1360) -> tuple[dict[str, Any], str]:
    """What a script that runs at the end of a page hands to `finish`, and the page as it then is."""
    assert CHROMIUM is not None
    page = folder / "page.html"
    page.write_text(html.replace("</body>", f"<script>{FINISH}\n{script}</script></body>"), encoding="utf-8")
    command = [
        CHROMIUM, *FLAGS.split(), f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900", "--dump-dom",
        page.as_uri(),
    ]  # fmt: skip
    dump = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
    match = re.search(r"<title>REPORT(.*?)TROPER</title>", dump, re.DOTALL)
    assert match is not None, dump[:2000]
    report: dict[str, Any] = json.loads(unescape(match[1]))
    return report, dump
