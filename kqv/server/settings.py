"""How a model is served: where, to whom, and with which bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from kqv.http.names import address_of, names_of

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What a server bears.

    `largest_request`: bytes. `most_requests`: at once. `texts`: that are written side by side; further ones wait,
    `waiting` of them at most. `cache_bytes`: for the key-value caches of the texts that are written. `tokens`: the most
    of one text. `patience`: seconds in which a client has to take what it is sent, and to send what it asks.
    `items`: sentences or pictures of one request.
    """

    largest_request: int = 4 * MEGABYTE
    most_requests: int = 512
    texts: int = 32
    waiting: int = 512
    cache_bytes: int = 2048 * MEGABYTE
    tokens: int = 16_384
    patience: float = 60.0
    items: int = 256

    @property
    def connections(self) -> int:
        """More than requests: who comes too many is told so."""
        return 2 * self.most_requests


@dataclass(frozen=True)
class Settings:
    """`name`: of the model, as requests name it. `token`: what a client has to know, as `Authorization: Bearer TOKEN`
    (None: nothing). `host`, `port`: where the server listens. `weights`: as which a model that writes keeps its own
    (`kqv.generation.weights`)."""

    name: str
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    limits: Limits = field(default_factory=Limits)
    weights: str = "float32"

    @property
    def hosts(self) -> frozenset[str] | None:
        """The names by which it may be called; None for any: where it listens everywhere, the token guards it."""
        return names_of(self.host)

    @property
    def address(self) -> str:
        """Where it is, without a path."""
        return address_of(self.host, self.port)
