"""A lab that is served, attacked over its socket: it refuses, and goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from sockets import connected, sent

from kqv.errors import Error
from kqv.lab.pages import require_pages

SECONDS = 60


def _built() -> str | None:
    try:
        require_pages()
    except Error as failure:
        return str(failure)
    return None


pytestmark = pytest.mark.skipif(_built() is not None, reason=_built() or "")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`kqv lab` as a process of its own, and its address."""
    folder = tmp_path_factory.mktemp("lab")
    command = [sys.executable, "-m", "kqv", "lab", "--no-browser", "--port", "0"]
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        address = ""
        while not address:
            line = process.stdout.readline()
            assert line, "the lab ended"
            found = re.search(r"http://\S+", line)
            address = found[0] if found else ""
        yield process, address
        process.kill()


def _lives(address: str) -> bool:
    with urlopen(f"{address}api/models", timeout=SECONDS) as answer:
        return json.load(answer)["models"] == []


def test_a_body_of_100_mb_is_refused_before_it_is_read(served: tuple[subprocess.Popen[str], str]) -> None:
    _, address = served
    token = re.search(r'kqv-page-token" content="([^"]+)"', urlopen(address).read().decode())
    assert token is not None
    head = f"POST /api/x HTTP/1.1\r\nHost: localhost\r\nx-kqv-page: {token[1]}\r\nContent-Length: 100000000\r\n\r\n"
    assert b" 413 " in sent(address, head.encode() + b"x" * 1000)
    assert _lives(address)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\xff\x16\x03\x01 nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: " + b"b" * 200_000 + b"\r\n\r\n",
        b"POST /api/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    ],
)
def test_nonsense_is_refused(served: tuple[subprocess.Popen[str], str], data: bytes) -> None:
    _, address = served
    answer = sent(address, data, wait=2.0)
    assert not answer.startswith(b"HTTP/1.1 200")
    assert b"root:" not in answer
    assert _lives(address)


def test_nonsense_in_the_midst_of_a_stream_ends_it(served: tuple[subprocess.Popen[str], str]) -> None:
    """That nothing of it is in the log as a traceback is seen when the lab stops."""
    _, address = served
    with connected(address) as connection:
        connection.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert b"200" in connection.recv(1000)
        connection.sendall(b"ZZZ\r\n")
        while connection.recv(1000):
            pass
    assert _lives(address)


def test_a_thousand_connections(served: tuple[subprocess.Popen[str], str]) -> None:
    _, address = served
    idle = []
    try:
        for _ in range(1000):
            try:
                idle.append(connected(address, 2.0))
            except OSError:  # refused, which is an answer too
                break
        assert len(idle) > 200
        for _ in range(50):  # those that wait the longest are ended soon
            try:
                assert _lives(address)
                return
            except OSError:
                time.sleep(0.1)
        pytest.fail("the lab does not answer any more")
    finally:
        for connection in idle:
            connection.close()


def test_it_stops_within_three_seconds_while_a_page_listens(served: tuple[subprocess.Popen[str], str]) -> None:
    process, address = served
    with urlopen(f"{address}api/events", timeout=SECONDS) as stream:
        assert stream.readline() == b": welcome\n"
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = stream.read()
        status = process.wait(SECONDS)
    assert time.monotonic() - started < 3
    assert rest == b"\n"
    assert status == 0
    assert process.stdout is not None
    said = process.stdout.read()
    assert "Traceback" not in said, said[-3000:]
