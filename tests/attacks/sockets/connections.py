"""Attacks on the connections of a lab or a served model: too many, too slow, too large, broken, or somebody else's.

Each takes a served process and a chance, and gives in a line what fell; nothing where it was survived.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from random import Random
from socket import socket

from listeners import SECONDS, Answer, Served, torn
from mutations import of_bytes

Round = Callable[[Served, Random], str]

MANY = 1000
LARGE = 100_000_000
PIECE = b"x" * (1 << 20)


def wrong(answer: Answer, *allowed: int) -> str:
    """What is wrong with an answer, in a line."""
    if answer.seconds > SECONDS:
        return f"it took {answer.seconds:.0f} s"
    if answer.status >= 500 and answer.status != 503:
        return f"{answer.status}: {answer.body[:200]!r}"
    if b"Traceback (most recent" in answer.body or b"root:x:" in answer.body:
        return f"it told too much: {answer.body[:200]!r}"
    if allowed and answer.status not in allowed:
        return f"{answer.status} in place of {' or '.join(map(str, allowed))}: {answer.body[:100]!r}"
    return ""


def still_answers(served: Served, seconds: float = SECONDS) -> str:
    """Nothing if a healthy request is answered within some seconds."""
    end, answer = time.monotonic() + seconds, Answer(0, b"", 0.0)
    while time.monotonic() < end:
        answer = served.asked("GET", "/api/models" if served.token else "/v1/models")
        if answer.status == 200:
            return ""
        time.sleep(0.2)
    return f"nobody else was answered for {seconds:.0f} s (last: {answer.status})"


@contextmanager
def _held(served: Served, count: int, *first: bytes) -> Iterator[list[socket]]:
    """So many connections on which only the beginning of something was said."""
    with ExitStack() as stack:
        found = []
        for number in range(count):
            with suppress(OSError):
                connection = served.connected(2.0)
                stack.callback(torn, connection)
                connection.sendall(first[number % len(first)])
                found.append(connection)
        yield found


def _idle(served: Served, chance: Random) -> str:
    with _held(served, MANY, b"") as held:
        return still_answers(served) if len(held) > MANY // 5 else f"only {len(held)} connections"


def _half_requests(served: Served, chance: Random) -> str:
    whole = served.head("GET /api/models") + b"\r\n"
    with _held(served, MANY, *(whole[: chance.randrange(1, len(whole) - 2)] for _ in range(7))):
        return still_answers(served)


def _half_bodies(served: Served, chance: Random) -> str:
    heads = [served.head(f"POST {path}", *more) for path in _posts(served) for more in (
        ("Content-Length: 1000",), ("Transfer-Encoding: chunked",), ("Content-Length: 1000", "Expect: 100-continue"),
    )]  # fmt: skip
    bodies = [head + b"Content-Type: application/json\r\n\r\n" + b"3e8\r\n{" for head in heads]
    with _held(served, 200, *bodies):
        return still_answers(served, 2 * SECONDS)


def _a_byte_a_second(served: Served, chance: Random) -> str:
    whole = served.head("GET /api/models") + b"X: " + b"y" * 100
    with _held(served, 300, whole[:3]) as held:
        for byte in whole[3:15]:
            for connection in held:
                with suppress(OSError):
                    connection.sendall(bytes([byte]))
            time.sleep(1.0)
        return still_answers(served)


def stream(served: Served) -> bytes:
    """A request for a stream: of events, or of a text."""
    if served.token:
        return served.head("GET /api/events") + b"\r\n"
    body = json.dumps({"prompt": "To be", "max_tokens": 3000, "stream": True, "logprobs": 5, "n": 2}).encode()
    length = f"Content-Length: {len(body)}"
    return served.head("POST /v1/completions", "Content-Type: application/json", length) + b"\r\n" + body


def _slow_readers(served: Served, chance: Random) -> str:
    with _held(served, 60, stream(served)):
        time.sleep(0.5)
        return still_answers(served)


def _torn_streams(served: Served, chance: Random) -> str:
    for number in range(40):
        connection = served.connected()
        connection.sendall(stream(served))
        if number % 3:
            connection.recv(chance.randrange(1, 400))
        (torn if number % 2 else socket.close)(connection)
    return still_answers(served)


def _written_and_torn(served: Served, chance: Random) -> str:
    """Clients that leave while what they asked for is computed."""
    for path, body in (_posts(served) | {"/api/traces": {"model": "run-gpt", "input": "To be"}}).items():
        text = json.dumps(body).encode()
        head = served.head(f"POST {path}", "Content-Type: application/json", f"Content-Length: {len(text)}")
        for cut in (len(text), len(text) - 1):
            connection = served.connected()
            connection.sendall(head + b"\r\n" + text[:cut])
            time.sleep(chance.random() * 0.05)
            torn(connection)
    return still_answers(served)


def _posts(served: Served) -> dict[str, dict[str, object]]:
    if not served.token:
        return {"/v1/completions": {"prompt": "To be", "max_tokens": 500}}
    return {"/api/sentence/write": {"model": "run-gpt", "text": "To be", "tokens": 100}}


def _large(served: Served, chance: Random) -> str:
    before = served.memory
    for path in _posts(served):
        for head, piece in (
            (f"Content-Length: {LARGE}", PIECE),
            ("Transfer-Encoding: chunked", b"%x\r\n%s\r\n" % (len(PIECE), PIECE)),
        ):
            status = _poured(served, served.head(f"POST {path}", "Content-Type: application/json", head), piece)
            if status not in (0, 413):
                return f"100 MB with {head}: {status}"
    grown = (served.memory - before) >> 20
    return f"100 MB left {grown} MiB behind" if grown > 200 else still_answers(served)


def _poured(served: Served, head: bytes, piece: bytes) -> int:
    """The status after up to 100 MB were sent."""
    with served.connected() as connection:
        with suppress(OSError):
            connection.sendall(head + b"\r\n")
            for _ in range(LARGE // len(PIECE)):
                connection.sendall(piece)
        with suppress(OSError):
            found = connection.recv(20)
            return int(found[9:12]) if found.startswith(b"HTTP/1.1 ") else 0
    return 0


def _parallel(served: Served, chance: Random) -> str:
    """200 clients of a served model, or the same route 100 times at once."""
    if served.token:
        path = chance.choice(("/api/models", "/api/training/runs", "/api/training/systems", "/api/shapes", "/"))
        asked = [("GET", path, None)] * 100
    else:
        body = {"prompt": "To be", "max_tokens": 12, "seed": chance.randrange(100)}
        asked = [("POST", "/v1/completions", json.dumps(body).encode())] * 200
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda one: served.asked(*one), asked))
    bad = [said for answer in answers if (said := wrong(answer, 200, 429, 503))]
    different = {answer.body for answer in answers if answer.status == 200}
    if served.token or bad:
        return bad[0] if bad else still_answers(served)
    texts = {json.loads(body)["choices"][0]["text"] for body in different}
    return "the same seed gave several texts" if len(texts) > 1 else still_answers(served)


def _nonsense(served: Served, chance: Random) -> str:
    body = b'{"prompt": "To be", "max_tokens": 2}'
    whole = served.head("POST /v1/completions", f"Content-Length: {len(body)}", "Connection: close") + b"\r\n" + body
    for _ in range(20):
        content, done = of_bytes(whole, chance)
        if said := wrong(served.sent(content, 1.0)):
            return f"{done}: {said}"
    return still_answers(served)


def _strange_heads(served: Served, chance: Random) -> str:
    reading = "/api/models" if served.token else "/v1/models"
    end, close = b"\r\n", "Connection: close"
    good = served.head(f"GET {reading}")
    shapes = {
        "a header of 200 kB": good + b"A: " + b"b" * 200_000 + end * 2,
        "10,000 headers": good + b"A: b\r\n" * 10_000 + end,
        "an address of 100 kB": served.head(f"GET /{'a' * 100_000}", close) + end,
        "a query of 60 kB": served.head(f"GET {reading}?{'a=b&' * 15_000}", close) + end,
        "20 requests in one": good * 0 + (good + end) * 20 + served.head(f"GET {reading}", close) + end,
        "a request and nonsense": good + end + b"\x00\xff\x16\x03 nonsense\r\n\r\n",
        "two lengths": served.head("POST /x", "Content-Length: 3", "Content-Length: 5") + end + b"abcde",
        "a length and chunks": served.head("POST /x", "Content-Length: 3", "Transfer-Encoding: chunked") + end + b"abc",
        "a length of 5,000 digits": served.head("POST /x", f"Content-Length: {'9' * 5000}") + end,
        "a length below zero": served.head("POST /x", "Content-Length: -1") + end,
        "a broken chunk": served.head("POST /x", "Transfer-Encoding: chunked") + end + b"ZZZ\r\n",
        "a chunk of 2^64": served.head("POST /x", "Transfer-Encoding: chunked") + end + b"f" * 16 + end,
        "an unknown method": served.head(f"BREW {reading}", close) + end,
        "a method of 5 kB": served.head(f"{'A' * 5000} {reading}", close) + end,
        "CONNECT": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
        "OPTIONS *": served.head("OPTIONS *", close) + end,
        "TRACE": served.head(f"TRACE {reading}", close) + end,
        "a web socket": served.head(f"GET {reading}", "Upgrade: websocket", "Connection: Upgrade",
                                    "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x") + end,
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/0.9": f"GET {reading}\r\n\r\n".encode(),
        "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
        "lines without \\r": good.replace(b"\r\n", b"\n") + b"Connection: close\n\n",
        "a folded header": good + b"A: b\r\n c\r\nConnection: close\r\n\r\n",
        "no host": f"GET {reading} HTTP/1.1\r\nConnection: close\r\n\r\n".encode(),
    }  # fmt: skip
    for name in chance.sample(list(shapes), 8):
        if said := wrong(served.sent(shapes[name], 3.0)):
            return f"{name}: {said}"
    return _broken_in_a_stream(served) or still_answers(served)


def _broken_in_a_stream(served: Served) -> str:
    """Chunks that break off while the answer comes already."""
    with served.connected() as connection:
        request = stream(served).replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n", 1)
        connection.sendall(request if served.token else stream(served))
        connection.recv(200)
        with suppress(OSError):
            connection.sendall(b"ZZZ\r\n\x00\r\n" * 5)
            connection.settimeout(1.0)
            connection.recv(200)
    return ""


STRANGERS = (
    ("evil.example", ()), ("evil.example:80", ()), ("localhost.evil.example", ()), ("", ()), ("127.0.0.1.evil", ()),
    ("[::1", ()), ("localhost:99999999999999999999", ("Origin: http://evil.example",)),
    ("localhost", ("Origin: http://evil.example",)), ("localhost", ("Origin: null",)),
    ("localhost", ("Origin: http://[",)), ("localhost", ("Origin: http://[::1]x",)), ("localhost", ("Origin: //\xff",)),
    ("localhost", ("Origin: http://localhost\u2100.evil",)), ("localhost", ("Sec-Fetch-Site: cross-site",)),
    ("localhost", ("Sec-Fetch-Site: same-site", "Origin: http://x.localhost")),
)  # fmt: skip


def _strangers(served: Served, chance: Random) -> str:
    """Other names of the host, pages of other sites, and no or a wrong token of the page."""
    for path, body in _posts(served).items():
        text = json.dumps(body).encode()
        more = ("Content-Type: application/json", f"Content-Length: {len(text)}", "Connection: close")
        for host, headers in STRANGERS:
            head = served.head(f"POST {path}", *more, *headers, host=host)
            if said := wrong(served.sent(head + b"\r\n" + text), 400, 403, 421):
                return f"{host} {headers}: {said}"
        for token in ("", "x-kqv-page: wrong\r\n", "x-kqv-page: \xe9\r\n", f"x-kqv-page: {'x' * 50_000}\r\n"):
            head = served.head(f"POST {path}", *more, token=False) + token.encode("latin-1") + b"\r\n"
            if served.token and (said := wrong(served.sent(head + text), 403)):
                return f"{token[:20]!r}: {said}"
    return still_answers(served)


OUTSIDE = (
    "../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "..%252f..%252fetc%252fpasswd",
    "..\\..\\etc\\passwd", "..%5c..%5cetc%5cpasswd", "/etc/passwd", "%2fetc%2fpasswd", "//etc/passwd", "x%00.js",
    "..%c0%afetc%c0%afpasswd", "....//....//etc/passwd", ".", "..", "~root", "link", "link/passwd", "index.js%00",
    "C:%5cboot.ini", "file:///etc/passwd", "%ff%fe", "a" * 300, "run-gpt%2f..%2f..%2fsecret", "%EF%BC%8F", "CON",
)  # fmt: skip


def _outside(served: Served, chance: Random) -> str:
    """Paths that lead out of what is served, for every route that has a name in its path."""
    routes = ("/v1/models/{}", "/{}") if not served.token else (
        "/{}", "/assets/{}", "/api/training/runs/{}", "/api/training/runs/{}/curve?key=x", "/api/traces/{}",
        "/api/training/runs/{}/weights", "/api/questions/{}", "/api/questions/{}/attention", "/api/exercises/{}",
        "/api/code?line=1&file={}", "/api/digits/lessons/{}/numbers?tensor=x", "/api/adder/{}",
    )  # fmt: skip
    for route in routes:
        for path in chance.sample(OUTSIDE, 12):
            head = served.head(f"GET {route.format(path)}", "Connection: close")
            if said := wrong(served.sent(head + b"\r\n")):
                return f"{route} {path}: {said}"
    if served.token:
        for path in chance.sample(OUTSIDE, 12):
            for where in ("/api/training/stop", "/api/training/continue", "/api/questions/continue"):
                body = json.dumps({"name": path.replace("%2f", "/").replace("%00", "\0")}).encode()
                if said := wrong(served.asked("POST", where, body), 400, 422):
                    return f"{where} {path}: {said}"
    return still_answers(served)


def _restless(served: Served, chance: Random) -> str:
    """Connections that come, ask or not, and go, from many threads."""
    fell: list[str] = []

    def come_and_go(seed: int) -> None:
        own = Random(seed)
        for _ in range(30):
            with suppress(OSError):
                connection = served.connected(2.0)
                connection.sendall(own.choice((b"", b"G", served.head("GET /") + b"\r\n", stream(served))))
                (torn if own.random() < 0.7 else socket.close)(connection)

    threads = [threading.Thread(target=come_and_go, args=(chance.randrange(1 << 30),)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return fell[0] if fell else still_answers(served)


ROUNDS: dict[str, Round] = {
    "idle": _idle, "half requests": _half_requests, "half bodies": _half_bodies, "a byte a second": _a_byte_a_second,
    "slow readers": _slow_readers, "torn streams": _torn_streams, "torn requests": _written_and_torn,
    "100 MB": _large, "in parallel": _parallel, "nonsense": _nonsense, "strange heads": _strange_heads,
    "strangers": _strangers, "paths": _outside, "restless": _restless,
}  # fmt: skip
