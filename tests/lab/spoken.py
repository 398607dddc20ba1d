"""The sentences of a source file that may reach a page: its errors, and what is put into them."""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import kqv

SOURCE = Path(kqv.__file__).parent
SPEAKING = (
    "HTTPException", "no", "damaged", "refuse", "require_run", "_check", "_diverged", "_take", "Diverged",
    "Interrupted", "Lost", "Unsaved",
)  # fmt: skip
"""What an error goes to a page through, beside every class whose name ends with Error."""


def template(node: ast.expr) -> str | None:
    """A text of the source, with `{0}`, `{1}` where values are put in."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if not isinstance(node, ast.JoinedStr):
        return None
    parts, count = [], 0
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        else:
            parts.append(f"{{{count}}}")
            count += 1
    return "".join(parts)


def is_sentence(text: str) -> bool:
    """Whether a text is made of words, and not of holes and signs alone."""
    words = re.sub(r"\{\d\}", "", text)
    return " " in text and re.search("[a-z]{2}", words) is not None


class Spoken:
    """What a file's errors say, followed to where their texts are written: variables, functions and constants of the
    same file, and constants that it imports."""

    def __init__(self, file: Path) -> None:
        self.tree = ast.parse(file.read_text(encoding="utf-8"))
        self.module = ".".join((SOURCE.name, *file.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
        self.values: dict[str, list[ast.expr]] = defaultdict(list)
        self.seen: set[int] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._keep(target, node.value)
            elif isinstance(node, ast.FunctionDef):
                self.values[node.name] += [
                    one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value is not None
                ]

    def _keep(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.values[target.id].append(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its in zip(target.elts, value.elts, strict=True):
                self._keep(one, its)

    def errors(self) -> Iterator[str]:
        """The errors that it may raise, and what may stand in their holes."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name.endswith("Error") or name in SPEAKING:
                    for argument in node.args:
                        yield from self._texts(argument)

    def _texts(self, node: ast.expr) -> Iterator[str]:
        if id(node) in self.seen:
            return
        self.seen.add(id(node))
        text = template(node)
        if text is not None:
            yield from [text] if is_sentence(text) else []
            if isinstance(node, ast.JoinedStr):
                for part in node.values:
                    yield from self._texts(part.value) if isinstance(part, ast.FormattedValue) else ()
        elif isinstance(node, ast.IfExp):
            yield from (text for branch in (node.body, node.orelse) for text in self._texts(branch))
        elif isinstance(node, ast.BoolOp):
            yield from (text for value in node.values for text in self._texts(value))
        elif isinstance(node, ast.Name | ast.Attribute | ast.Call):
            yield from self._named(node)

    def _named(self, node: ast.Name | ast.Attribute | ast.Call) -> Iterator[str]:
        func = node.func if isinstance(node, ast.Call) else node
        name = getattr(func, "id", getattr(func, "attr", ""))
        for value in self.values.get(name, ()):
            yield from self._texts(value)
        if isinstance(node, ast.Name) and name.isupper():
            constant = getattr(importlib.import_module(self.module), name, None)
            yield from [constant] if isinstance(constant, str) and is_sentence(constant) else []


@cache
def errors_of(file: Path) -> frozenset[str]:
    """The errors that a file may raise, and their parts."""
    return frozenset(Spoken(file).errors())
