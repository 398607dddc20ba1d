"""Who may ask the server what: its names, no other site's page, and who knows its token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response

from kqv.http.guard import Scope, is_called_by_name, is_of_another_site, same
from kqv.server.refusals import Refusal
from kqv.server.settings import Settings

HEADERS = {"x-content-type-options": "nosniff", "cross-origin-resource-policy": "same-origin"}
CODES = {401: "invalid_api_key", 503: "server_overloaded"}
OPEN = ("/health",)
"""What is answered without the token: that the server is there."""


@dataclass(frozen=True)
class ServerRules:
    """Refuses other names of the host (DNS rebinding), requests of other sites' pages, and who lacks the token."""

    settings: Settings

    @property
    def headers(self) -> Mapping[str, str]:
        """What stands in every answer."""
        return HEADERS

    @property
    def largest_request(self) -> int:
        """In bytes."""
        return self.settings.limits.largest_request

    @property
    def patience(self) -> float:
        """Seconds in which a body has to come."""
        return self.settings.limits.patience

    def no(self, status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
        """A refusal as OpenAI's clients read it."""
        return Refusal(status, why, code=CODES.get(status), headers=headers).response()

    def most(self, scope: Scope) -> tuple[str, int]:
        """Health and metrics are answered also where all else is too much."""
        if scope["path"] in ("/health", "/metrics"):
            return "watching", 16
        return "requests", self.settings.limits.most_requests

    def refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a request that is refused."""
        if not is_called_by_name(headers, self.settings.hosts):
            return self.no(421, f"the server is not called {headers.get('host', '')!r}; ask {self.settings.address}")
        if is_of_another_site(headers):
            return self.no(403, "pages of other sites may not ask this server")
        token = self.settings.token
        if token is not None and scope["path"] not in OPEN and not _knows(headers, token):
            why = "the server needs its token, as in Authorization: Bearer TOKEN (an OpenAI client's api_key)"
            return self.no(401, why, {"www-authenticate": "Bearer"})
        return None


def _knows(headers: Headers, token: str) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and same(given.strip(), token)
