"""The guide's diagrams are what the script draws, and can be read on light and on dark ground."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).parent.parent / "docs"
FILES = sorted((DOCS / "guide" / "pictures").glob("*.svg"))


def test_the_diagrams_are_what_the_script_draws() -> None:
    call = [sys.executable, str(DOCS / "drawings.py"), "--check"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert len(FILES) >= 5


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_diagram_is_self_contained_described_and_has_two_palettes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert len(root.attrib["aria-label"]) > 40
    assert "href" not in text
    assert "url(" not in text
    light, dark = text.split("@media (prefers-color-scheme:dark)")
    classes = {name for names in re.findall(r'class="([^"]+)"', text) for name in names.split()}
    coloured = {name for name in classes if re.search(rf"\.{name}{{(fill|stroke):#", light)}
    assert coloured >= {"card", "ink", "quiet"}
    for name in coloured:
        assert f".{name}{{" in dark.split("</style>")[0], f"{name} has no colour on dark ground"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_text_of_a_diagram_leaves_it(path: Path) -> None:
    """Estimated with generous widths of letters: 0.62 of the size, as in monospaced fonts."""
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        kind = text.attrib["class"].split()
        size = (
            10 if "tiny" in kind else 11 if "small" in kind else 12 if "mono" in kind else 15 if "title" in kind else 13
        )
        long = len(text.text or "") * size * (0.62 if "mono" in kind else 0.55)
        anchor = {"middle": 0.5, "end": 1.0}.get(text.attrib.get("text-anchor", ""), 0.0)
        start = float(text.attrib["x"]) - anchor * long
        assert start >= 0, text.text
        assert start + long <= float(root.attrib["width"]), text.text
