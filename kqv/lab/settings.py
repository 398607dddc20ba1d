"""How the lab is served: where, to whom, and with which bounds."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from kqv.http.names import address_of, is_loopback, names_of
from kqv.training.run import RUNS

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Settings:
    """`host`, `port`: where the lab listens; `runs`: the folder of runs; `models`: further models, by name or path.

    `token`: what a browser has to know where others can reach the lab (None on loopback). `page_token`: what each page
    is given, and sends with everything that changes something, so that no other site's page can. `patience`: seconds in
    which all of a request has to come.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    runs: Path = RUNS
    models: tuple[str, ...] = ()
    token: str | None = None
    page_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    largest_request: int = 4 * MEGABYTE
    most_requests: int = 32
    most_streams: int = 32
    patience: float = 10.0

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    @property
    def hosts(self) -> frozenset[str] | None:
        """The names by which it may be called; None for any: where it listens everywhere, the token guards it."""
        return names_of(self.host)

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"{address_of(self.host, self.port)}/" + (f"?token={self.token}" if self.token else "")
