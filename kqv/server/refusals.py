"""What goes wrong, in OpenAI's words: an object with a message, a type, the parameter and a code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from kqv.visible import visible

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""Types of errors by status; of others below 500 it is `invalid_request_error`, from there on `server_error`."""

LONGEST = 500


class Refusal(Exception):  # noqa: N818 - it is what a client is told
    """A request that is not answered: its status and message, and where it is known the `param` and a `code`."""

    def __init__(
        self, status: int, message: str, param: str | None = None, code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.status, self.message, self.param, self.code, self.headers = status, message, param, code, headers

    def content(self) -> dict[str, Any]:
        """The object that is sent."""
        line = visible(" ".join(self.message.splitlines()))
        kind = TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        shown = line if len(line) <= LONGEST else f"{line[:LONGEST]} …"
        return {"error": {"message": shown, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        """The answer to the request."""
        return JSONResponse(self.content(), status_code=self.status, headers=self.headers)


def busy(why: str) -> Refusal:
    """There is no room; OpenAI's clients try again by themselves."""
    return Refusal(429, why, code="rate_limit_exceeded", headers={"retry-after": "1"})
