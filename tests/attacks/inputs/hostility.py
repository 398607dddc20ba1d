"""What crafted attacks have in common: hostile words, and a refusal as the command line gives it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from mutations import DEEP

from kqv.errors import Error
from kqv.visible import visible

_FILE: dict[str, list[str]] = json.loads((Path(__file__).parent / "hostile.json").read_text(encoding="utf-8"))
_LONG = {
    "numbers": ("9" * 5000,),
    "templates": (
        "{{ " + "(" * 5000, "{{ " + "1" * 5000 + " }}", "{{ " + "-" * 3000 + "1 }}",
        "{% if x %}" * 200 + "{% endif %}" * 200, "{% for a in x %}" * 30 + "{% endfor %}" * 30,
    ),
    "toml_values": ("9" * 5000, "[" * 5000, '"' + "x" * 300 + '"'),
    "lines": ('{"step": ' + "9" * 5000 + "}", '{"step": ' + DEEP, '{"a": ' * 100_000, "x" * 1_000_000),
    "programs": ("(" * 10_000,),
}  # fmt: skip


def hostile(kind: str) -> tuple[str, ...]:
    """The hostile texts of a kind: names, words of the command line, numbers, templates, lines, programs, TOML."""
    return (*_FILE[kind], *_LONG.get(kind, ()))


def reading(do: Callable[[], object]) -> Callable[[], None]:
    """Do it as the command line would: a refusal is one line and the status 1."""

    def read() -> None:
        try:
            do()
        except Error as failure:
            print(f"error: {visible(' '.join(str(failure).splitlines()))}")
            raise SystemExit(1) from None

    return read


def bytes_for(text: str) -> bytes:
    """A text that may have half characters, as a file."""
    return text.encode("utf-8", "surrogatepass")
