"""Bytes sent to a server as they are, and connections that say nothing; for servers that are treated badly."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit


def connected(address: str, wait: float = 5.0) -> socket.socket:
    """A connection to the server at an address."""
    place = urlsplit(address)
    return socket.create_connection((place.hostname, place.port), timeout=wait)


def sent(address: str, data: bytes, wait: float = 5.0) -> bytes:
    """What comes back when these bytes are sent; nothing where the connection is closed at once."""
    with connected(address, wait) as connection:
        answer = b""
        try:
            connection.sendall(data)
            while part := connection.recv(65536):
                answer += part
        except (OSError, TimeoutError):
            pass
        return answer
