"""A `kqv lab` or `kqv serve` in a process of its own, what it holds, and bytes sent to it."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from forked import Forked

ROOT = Path(__file__).parents[3]
SECONDS = 20.0
"""So long an answer may take."""

MESSAGE = {"content-type": "application/json"}


@dataclass
class Answer:
    """A status (0: the connection ended without one), the body, and the seconds that it took."""

    status: int
    body: bytes
    seconds: float


@dataclass
class Served:
    """A process that listens at an address; `log`: the file of what it says; `token`: what its pages are given."""

    process: Forked
    folder: Path
    address: str
    token: str = ""

    @property
    def log(self) -> str:
        """What it said."""
        return (self.folder.parent / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def memory(self) -> int:
        """Bytes that it holds now."""
        return self._status("VmRSS")

    @property
    def most_memory(self) -> int:
        """The most bytes that it ever held."""
        return self._status("VmHWM")

    @property
    def files(self) -> int:
        """Files and connections that it has open."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())

    def _status(self, name: str) -> int:
        found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        return 1024 * int(found[1]) if found else 0

    def connected(self, wait: float = SECONDS) -> socket.socket:
        """A connection on which nothing was said."""
        there = urlsplit(self.address)
        return socket.create_connection((there.hostname, there.port), timeout=wait)

    def head(self, line: str, *headers: str, token: bool = True, host: str = "localhost") -> bytes:
        """The head of a request as it goes over the wire; without its end."""
        own = [f"x-kqv-page: {self.token}"] if token and self.token else []
        return "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", *own, *headers, ""]).encode()

    def sent(self, content: bytes, wait: float = SECONDS) -> Answer:
        """What comes back for these bytes until the connection ends, or nothing more comes for so many seconds."""
        began, found = time.monotonic(), b""
        with suppress(OSError), self.connected(wait) as connection:
            with suppress(OSError):
                connection.sendall(content)
            while part := connection.recv(1 << 16):
                found += part
        status = re.match(rb"HTTP/1\.1 (\d+)", found)
        return Answer(int(status[1]) if status else 0, found.partition(b"\r\n\r\n")[2], time.monotonic() - began)

    def asked(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """A whole, well-formed request and its answer."""
        there, began = urlsplit(self.address), time.monotonic()
        connection = http.client.HTTPConnection(there.hostname or "", there.port, timeout=SECONDS)
        own = {"x-kqv-page": self.token} if self.token else {}
        try:
            connection.request(method, path, body, own | (headers or MESSAGE))
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), time.monotonic() - began)
        except (OSError, http.client.HTTPException, ValueError):
            return Answer(0, b"", time.monotonic() - began)
        finally:
            connection.close()

    def ended(self, number: int = signal.SIGINT) -> int:
        """End it by a signal; its status (−9 where it had to be killed)."""
        self.process.send_signal(number)
        if not self.process.ends(SECONDS):
            self.process.kill()
        return self.process.wait()


def torn(connection: socket.socket) -> None:
    """Break a connection off without a word of good-bye."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
