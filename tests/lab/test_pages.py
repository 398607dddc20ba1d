"""The built pages: there, of these sources, small, and told their token."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from kqv.errors import Error
from kqv.lab.pages import STATIC, WEB, require_pages
from kqv.lab.settings import Settings
from kqv.lab.sources import STAMP, digest

needs_pages = pytest.mark.skipif(not (STATIC / STAMP).is_file(), reason="needs the lab's pages: python hatch_build.py")
MOST_BYTES = 150_000


def _web(folder: Path) -> Path:
    web = folder / "web"
    (web / "src").mkdir(parents=True)
    (web / "src" / "main.ts").write_text("one", encoding="utf-8")
    return web


def test_missing_pages_are_said(tmp_path: Path) -> None:
    with pytest.raises(Error, match="without the lab's pages"):
        require_pages(tmp_path / "static", _web(tmp_path))


def test_pages_of_other_sources_are_said(tmp_path: Path) -> None:
    web, static = _web(tmp_path), tmp_path / "static"
    static.mkdir()
    (static / STAMP).write_text(digest(web), encoding="utf-8")
    require_pages(static, web)
    (web / "src" / "main.ts").write_text("another", encoding="utf-8")
    with pytest.raises(Error, match="older than their sources"):
        require_pages(static, web)


def test_only_what_pages_are_built_of_counts(tmp_path: Path) -> None:
    web = _web(tmp_path)
    before = digest(web)
    (web / "node_modules").mkdir()
    (web / "node_modules" / "x.js").write_text("x", encoding="utf-8")
    (web / "src" / "main.test.ts").write_text("x", encoding="utf-8")
    assert digest(web) == before
    (web / "src" / "main.ts").rename(web / "src" / "moved.ts")
    assert digest(web) != before


@needs_pages
def test_no_room_needs_much_script() -> None:
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in (STATIC / "assets").glob("*.js")}
    texts = {name: (STATIC / "assets" / name).read_text(encoding="utf-8") for name in sizes}
    rooms = [name for name in sizes if name[0].isupper()]
    assert len(rooms) >= 9
    first = next(name for name in sizes if name.startswith("index-"))
    for room in rooms:
        needed = {first, room}
        for _ in range(3):  # what it imports, and what that does
            needed |= {other for name in needed - {first} for other in sizes if f'"./{other}"' in texts[name]}
        assert sum(sizes[name] for name in needed) <= MOST_BYTES, room


@needs_pages
def test_the_page_is_told_its_token(client: TestClient, lab_settings: Settings) -> None:
    page = client.get("/")
    assert lab_settings.page_token in page.text
    assert page.headers["cache-control"] == "no-store"
    script = next((STATIC / "assets").glob("index-*.js")).name
    answer = client.get(f"/assets/{script}")
    assert answer.content == (STATIC / "assets" / script).read_bytes()
    assert "immutable" in answer.headers["cache-control"]
    assert client.get("/assets/missing.js").status_code == 404


def test_the_web_folder_is_where_the_build_looks() -> None:
    assert (WEB / "index.html").is_file()
