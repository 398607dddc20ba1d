"""What a hostile file says instead: one field of JSON after the other, or bytes where a format has its sizes."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

Path_ = tuple[str | int, ...]

DEEP = "[" * 100_000
VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 7, 255, 1.5, -0.0, 1e-300, 1e18, 1e30, 1e308, float("nan"), float("inf"), 2**31 - 1,
    2**31, 2**53 + 1, 2**63, 10**9, 10**30, 10**400, "", "x", "x" * 100_000, "\x1b]0;x\x07\x9b", "\ud800", "../../x",
    "/dev/zero", "[/]", [], [[]], [None], [10**9], {}, {"type": []}, [1] * 10_000,
)  # fmt: skip
"""What stands in a field's place."""

SIZES = (0, 1, 2, 3, 64, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)


def of_json(text: str, chance: Random) -> tuple[str, str]:
    """Another text instead of this JSON, and what was done, in a few words."""
    content = json.loads(text)
    paths = list(_paths(content, ()))
    if not paths or chance.random() < 0.15:
        return _of_text(text, chance)
    path = chance.choice(paths)
    name, kind = ".".join(map(str, path))[-40:], chance.random()
    if kind < 0.15:
        _take_out(content, path)
        return _written(content), f"{name} is missing"
    value = chance.choice(VALUES)
    if kind < 0.3 and isinstance(path[-1], str):
        doubled = f'"{path[-1]}": {_written(value)}, "{path[-1]}":'
        return text.replace(f'"{path[-1]}":', doubled, 1), f"{name} comes twice"
    if kind < 0.35:
        _put(content, path, "DEEP")
        return _written(content).replace('"DEEP"', DEEP), f"{name} is nested deeply"
    _put(content, path, value)
    return _written(content), f"{name} is {value!r:.30}"


def _of_text(text: str, chance: Random) -> tuple[str, str]:
    changed: dict[str, Callable[[], str]] = {
        "empty": lambda: "",
        "cut off": lambda: text[: chance.randrange(len(text))],
        "twice": lambda: text + text,
        "a list": lambda: f"[{text}]",
        "a number": lambda: "7",
        "deep": lambda: DEEP,
        "with a zero byte": lambda: text[:7] + "\0" + text[7:],
        "with a mark of byte order": lambda: "\ufeff" + text,
    }
    name = chance.choice(list(changed))
    return changed[name](), name


def of_bytes(content: bytes, chance: Random, head: int | None = None) -> tuple[bytes, str]:
    """Other bytes instead of these, and what was done; `head`: so many bytes at the beginning say how the rest lies."""
    head = min(len(content), head or len(content))
    at = chance.randrange(max(head, 1))
    kind = chance.randrange(7)
    if kind == 0:
        return content[:at], f"cut off at {at}"
    if kind == 1:
        return content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :], f"byte {at} changed"
    if kind == 2:
        return content[:at] + chance.randbytes(8) + content[at:], f"bytes put in at {at}"
    if kind == 3:
        return content[:at] + content[at + 4 :], f"bytes taken out at {at}"
    if kind == 4:
        return content + chance.randbytes(100), "bytes at the end"
    form = chance.choice(("<I", "<Q", ">I", ">H", "<H"))
    size = chance.choice(SIZES) % 256 ** struct.calcsize(form)
    return content[:at] + struct.pack(form, size) + content[at + struct.calcsize(form) :], f"{size} at {at} as {form}"


def of_safetensors(content: bytes, chance: Random) -> tuple[bytes, str]:
    """The same with a field of the header changed, or its length."""
    length = struct.unpack("<Q", content[:8])[0]
    if chance.random() < 0.2:
        return of_bytes(content, chance, 8 + length)
    text, done = of_json(content[8 : 8 + length].decode(), chance)
    header = text.encode("utf-8", "surrogatepass")
    said = len(header) if chance.random() < 0.9 else chance.choice(SIZES)
    return struct.pack("<Q", said % 2**64) + header + content[8 + length :], done


def _paths(content: Any, path: Path_) -> Iterator[Path_]:
    items = (
        content.items() if isinstance(content, dict) else enumerate(content[:20]) if isinstance(content, list) else ()
    )
    for name, value in items:
        yield (*path, name)
        yield from _paths(value, (*path, name))


def _put(content: Any, path: Path_, value: Any) -> None:
    for name in path[:-1]:
        content = content[name]
    content[path[-1]] = value


def _take_out(content: Any, path: Path_) -> None:
    for name in path[:-1]:
        content = content[name]
    del content[path[-1]]


def _written(content: Any) -> str:
    return json.dumps(content)
