"""A server that is treated badly: it refuses or bears it, and answers afterwards as before."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from serving import Served, Small, begin
from sockets import connected, sent

LONG = {"prompt": "Once", "max_tokens": 10_000, "temperature": 2}
SEEDS = 50


def long(address: str) -> dict[str, object]:
    """A request for a text that does not soon end by itself."""
    for seed in range(1, SEEDS):
        content = LONG | {"seed": seed, "max_tokens": 400}
        asked = Request(f"{address}/v1/completions", json.dumps(content).encode(), {"content-type": "application/json"})
        with urlopen(asked, timeout=60) as answer:
            if json.load(answer)["choices"][0]["finish_reason"] == "length":
                return LONG | {"seed": seed}
    raise AssertionError(f"none of {SEEDS} texts is long")


def posted(path: str, body: bytes, *lines: str, host: str = "localhost") -> bytes:
    """A request as it goes over the wire."""
    head = [f"POST {path} HTTP/1.1", f"Host: {host}", "Connection: close", *lines]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


def opened(address: str, content: dict[str, object]) -> socket.socket:
    """A connection on which something was asked."""
    connection = connected(address, 20)
    connection.sendall(posted("/v1/completions", json.dumps(content).encode()))
    return connection


def seeded(served: Served) -> str:
    """A seeded answer."""
    body = json.dumps({"prompt": "Once upon", "max_tokens": 12, "seed": 11}).encode()
    with urlopen(f"{served.address}/v1/completions", body, timeout=60) as answer:
        found: str = json.load(answer)["choices"][0]["text"]
    return found


@pytest.fixture
def unharmed(served: Served) -> Iterator[Served]:
    """The server; after the test it says the same to the same seed as before."""
    before = seeded(served)
    yield served
    assert seeded(served) == before
    assert served.process.poll() is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", b"could not parse the JSON"),
        (b"", b"could not parse the JSON"),
        (b"[1, 2]", b"has to be a JSON object"),
        (b'{"prompt": "a", "temperature": NaN}', b"could not parse the JSON"),
        (b'{"prompt": "a", "temperature": Infinity}', b"could not parse the JSON"),
        (b'{"prompt": "a", "temperature": 1e999}', b"temperature"),
        (b'{"prompt": ' + b"[" * 100_000, b"recursion limit"),
        (b'{"a":' * 100_000, b"recursion limit"),
        (b'{"prompt": "\\ud800"}', b"could not parse the JSON"),
        (b"\xff\xfe{}", b"could not parse the JSON"),
        (b'{"prompt": "a", "seed": 99999999999999999999999999}', b"seed"),
        (b'{"prompt": "a", "max_tokens": "many"}', b"max_tokens"),
    ],
    ids=lambda body: repr(body[:40]),
)
def test_nonsense_is_refused_in_one_line(served: Served, body: bytes, said: bytes) -> None:
    answer = sent(served.address, posted("/v1/completions", body))
    assert answer.startswith(b"HTTP/1.1 400 ")
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert said.decode() in error["message"]
    assert "\n" not in error["message"]


def test_a_body_of_100_mb_is_refused_by_its_length_and_by_what_comes(unharmed: Served) -> None:
    head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
    assert b" 413 " in sent(unharmed.address, f"{head}Content-Length: 100000000\r\n\r\n".encode() + b"x" * 1000)
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * 20
    assert b" 413 " in sent(unharmed.address, chunked)


@pytest.mark.parametrize(
    ("lines", "host", "status"),
    [
        ((), "evil.example", b"421"),
        (("Origin: http://evil.example",), "localhost", b"403"),
        (("Origin: null",), "localhost", b"403"),
        (("Sec-Fetch-Site: cross-site",), "localhost", b"403"),
    ],
    ids=str,
)
def test_other_sites_are_refused(served: Served, lines: tuple[str, ...], host: str, status: bytes) -> None:
    body = b'{"prompt": "a", "max_tokens": 1}'
    answer = sent(served.address, posted("/v1/completions", body, *lines, host=host))
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b'"error":{"message":' in answer


def test_broken_requests_and_unknown_paths(unharmed: Served) -> None:
    for data in (b"\x00\xff\x16\x03 nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"b" * 200_000):
        assert not sent(unharmed.address, data, wait=2).startswith(b"HTTP/1.1 200")
    for path, status in (("/v1/nothing", 404), ("/v1/completions", 405), ("/../etc/passwd", 404)):
        with pytest.raises(HTTPError) as refused:
            urlopen(Request(unharmed.address + path, headers={"host": "localhost"}), timeout=20)
        assert refused.value.code == status
        assert "error" in json.load(refused.value)


def test_who_leaves_is_written_for_no_longer(unharmed: Served) -> None:
    wanted = long(unharmed.address)
    for stream in (True, False):
        with opened(unharmed.address, wanted | {"stream": stream}) as connection:
            if stream:
                assert b"200" in connection.recv(100)
            else:
                time.sleep(0.2)
        assert unharmed.said(
            r"POST /v1/completions (200|499) .* client left\n(.*\n)*" if stream else "499 .*client left"
        )
    assert _going(unharmed) == 0


def _going(served: Served) -> float:
    """How many texts are being written, once that is settled."""
    for _ in range(100):
        with urlopen(f"{served.address}/metrics", timeout=20) as answer:
            values = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[0] != "#")
        if float(values["kqv_texts_going"]) == 0:
            break
        time.sleep(0.05)
    return float(values["kqv_texts_going"])


def test_slow_readers_hold_nobody_up(unharmed: Served) -> None:
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(opened(unharmed.address, LONG | {"max_tokens": 150, "stream": True, "logprobs": 5}))
        started = time.monotonic()
        seeded(unharmed)
        assert time.monotonic() - started < 15
    assert _going(unharmed) == 0


def test_many_idle_connections(unharmed: Served) -> None:
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(connected(unharmed.address))
        seeded(unharmed)


def test_it_stops_within_three_seconds_while_it_writes(small: Small, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("stopped")
    found = begin(folder, str(small.folder), "--name", "short")
    with found.process, opened(found.address, long(found.address) | {"stream": True}) as connection:
        assert b"200" in connection.recv(100)
        started = time.monotonic()
        found.process.send_signal(signal.SIGINT)
        rest = b""
        while part := connection.recv(65536):
            rest += part
        status = found.process.wait(20)
    assert time.monotonic() - started < 3 * max(1.0, os.getloadavg()[0])  # on a busy machine all takes longer
    assert b"the server is stopping" in rest
    assert status == 0
    assert "Traceback" not in found.log, found.log[-3000:]
