"""The lab's pages: what the build made of `web/`, and whether it is there and of this version."""

from __future__ import annotations

from html import escape
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from kqv import __version__
from kqv.errors import Error
from kqv.lab.sources import STAMP, digest

HERE = Path(__file__).parent
STATIC, WEB = HERE / "static", HERE / "web"
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}

router = APIRouter()


def require_pages(static: Path = STATIC, web: Path = WEB) -> None:
    """Raise `Error` where there are no pages, or where they were made of other sources than those beside them."""
    try:
        stamp = (static / STAMP).read_text(encoding="utf-8").strip()
    except OSError:
        raise Error(
            "kqv was installed without the lab's pages (KQV_SKIP_WEB, or their build failed); install it again: "
            "pip install . in its folder builds them"
        ) from None
    if web.is_dir() and stamp != digest(web):
        raise Error("the lab's pages are older than their sources; build them again: python hatch_build.py")


@router.get("/")
def index(request: Request) -> Response:
    """The page; it is told the token that it has to send with what it changes, and kqv's version."""
    settings = request.app.state.lab.settings
    text = (STATIC / "index.html").read_text(encoding="utf-8")
    for name, value in (("KQV-PAGE-TOKEN", settings.page_token), ("KQV-VERSION", __version__)):
        text = text.replace(name, escape(value))
    return HTMLResponse(text)


@router.get("/assets/{name}")
def asset(name: str) -> Response:
    """A script, a style sheet or a picture of the page; its name changes with its content."""
    known = {path.name: path for path in (STATIC / "assets").glob("*")}
    if name not in known:
        return Response(status_code=404)
    return FileResponse(
        known[name],
        media_type=TYPES.get(known[name].suffix, "application/octet-stream"),
        headers={"cache-control": "public, max-age=31536000, immutable"},
    )
