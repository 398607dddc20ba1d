"""The names by which a server may be called."""

from __future__ import annotations

from ipaddress import ip_address

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
EVERYWHERE = ("0.0.0.0", "::")
"""Hosts that stand for all addresses of the machine."""


def is_loopback(host: str) -> bool:
    """Whether an address is one of the machine itself, which no other can reach."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def shown_host(host: str) -> str:
    """The host as it stands in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def names_of(host: str) -> frozenset[str] | None:
    """The names by which a server that listens there may be called; None for any, where it listens everywhere."""
    if host in EVERYWHERE:
        return None
    own = shown_host(host).lower()
    return frozenset({*LOOPBACK_NAMES, own} if is_loopback(host) else {own})


def address_of(host: str, port: int) -> str:
    """What to open or to ask, without a path: `http://localhost:8000`."""
    return f"http://{'localhost' if host in EVERYWHERE else shown_host(host)}:{port}"
