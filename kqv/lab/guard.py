"""Who may ask the lab what: its names, its own pages, and who knows its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response

from kqv.http.guard import READING, Scope, is_called_by_name, is_of_another_site, same
from kqv.lab.settings import Settings

PAGE_TOKEN = "x-kqv-page"
"""The header in which a page sends the token that it was given."""

COOKIE = "kqv-lab"
STREAM = "/api/events"

POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' blob: data:",  # pictures to keep are made in the page
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True)
class LabRules:
    """Refuses other names of the host (DNS rebinding), requests of other sites' pages, changes without the page's
    token, and where others can reach the lab whoever does not know its token."""

    settings: Settings

    @property
    def headers(self) -> Mapping[str, str]:
        """What stands in every answer."""
        return HEADERS

    @property
    def largest_request(self) -> int:
        """In bytes."""
        return self.settings.largest_request

    @property
    def patience(self) -> float:
        """Seconds in which a body has to come."""
        return self.settings.patience

    def no(self, status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
        """A refusal as the lab's pages read it."""
        return JSONResponse({"error": why}, status_code=status, headers=headers)

    def most(self, scope: Scope) -> tuple[str, int]:
        """Events are streams; all else are requests."""
        if scope["path"] == STREAM:
            return "streams", self.settings.most_streams
        return "requests", self.settings.most_requests

    def refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a request that is refused."""
        method, path = scope["method"], scope["path"]
        if not is_called_by_name(headers, self.settings.hosts):
            return self.no(421, f"the lab is not called {headers.get('host', '')!r}; open {self.settings.address}")
        if is_of_another_site(headers, is_page=method in READING and not path.startswith("/api/")):
            return self.no(403, "pages of other sites may not ask the lab")
        if self.settings.token is not None and (asked := self._without_access(scope, headers)) is not None:
            return asked
        if method not in READING and not same(headers.get(PAGE_TOKEN), self.settings.page_token):
            return self.no(403, f"what changes something needs the page's token in {PAGE_TOKEN}; reload the page")
        return None

    def _without_access(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a browser that does not know the token; one that comes with it is given a cookie."""
        token = self.settings.token or ""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if same(given, token):
            welcome = RedirectResponse(scope["path"], status_code=303)
            welcome.set_cookie(COOKIE, token, httponly=True, samesite="strict")
            return welcome
        if same(_cookie(headers), token) or same(headers.get("authorization"), f"Bearer {token}"):
            return None
        return self.no(401, "the lab needs its token: open the address that `kqv lab` printed")


def _cookie(headers: Headers) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value
