"""How the lab is served: where, to whom, and with which bounds."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from kqv.training.run import RUNS

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Settings:
    """`host`, `port`: where the lab listens; `runs`: the folder of runs; `models`: further models, by name or path.

    `token`: what a browser has to know where others can reach the lab (None on loopback). `page_token`: what each page
    is given, and sends with everything that changes something, so that no other site's page can.
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

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    @property
    def shown_host(self) -> str:
        """The host as it stands in an address: IPv6 in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def hosts(self) -> frozenset[str] | None:
        """The names by which it may be called; None for any, where it listens on all addresses of the machine."""
        if self.host in ("0.0.0.0", "::"):  # the token guards it there
            return None
        return frozenset({*LOOPBACK_NAMES, self.shown_host.lower()} if self.is_loopback else {self.shown_host.lower()})

    @property
    def address(self) -> str:
        """What to open in a browser."""
        host = "localhost" if self.host in ("0.0.0.0", "::") else self.shown_host
        return f"http://{host}:{self.port}/" + (f"?token={self.token}" if self.token else "")


def is_loopback(host: str) -> bool:
    """Whether an address is one of the machine itself, which no other can reach."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
