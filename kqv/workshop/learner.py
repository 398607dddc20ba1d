"""Runs in the learner's process: reads their file, calls its functions, and says what came back.

Nothing here imports what is slow, so that a check answers at once.
"""

from __future__ import annotations

import ast
import copy
import linecache
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from kqv.workshop.encoding import encode
from kqv.workshop.exercise import Case, Function, Provided

MODULE = "learner"
Outcome = dict[str, Any]


def read(path: Path) -> types.ModuleType:
    """The learner's file as a module; its folder is looked in for imports, so that one exercise can use another."""
    sys.path.insert(0, str(path.parent))
    module = types.ModuleType(MODULE)
    module.__file__ = str(path)
    sys.modules[MODULE] = module
    source = path.read_text(encoding="utf-8-sig")
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module


def try_cases(function: Callable[..., Any], cases: Iterable[Case], path: Path | None = None) -> list[Outcome]:
    """Call a function on every case; each outcome is a result or what was raised, as JSON knows it."""
    return [_try(function, case, path) for case in cases]


def _try(function: Callable[..., Any], case: Case, path: Path | None) -> Outcome:
    given = {name: _resolved(copy.deepcopy(value)) for name, value in case.inputs.items()}
    before = copy.deepcopy({name: value for name, value in given.items() if not callable(value)})
    outcome: Outcome = {}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            outcome["result"] = encode(function(*given.values()))
        except BaseException as failure:
            outcome["raised"] = described(failure, path)
    outcome["changed"] = [name for name, value in before.items() if not _same(value, given[name])]
    outcome["warned"] = sorted({str(warning.message) for warning in warned})[:3]
    return outcome


def _resolved(value: Any) -> Any:
    return value.function() if isinstance(value, Provided) else value


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(_same, before, after))
    return np.shape(before) == np.shape(after) and bool(np.allclose(before, after, rtol=1e-9, atol=1e-12))


def described(failure: BaseException, path: Path | None) -> dict[str, Any]:
    """What was raised: type, message, and the last line of the learner's own files with the shapes that stand in it."""
    found: dict[str, Any] = {"type": type(failure).__name__, "message": str(failure)[:500]}
    if isinstance(failure, SyntaxError) and failure.lineno is not None:
        position = {
            "file": Path(failure.filename or "").name,
            "line": failure.lineno,
            "text": (failure.text or "").strip(),
        }
        return found | {"message": failure.msg} | position
    folder = None if path is None else path.parent
    for frame, line in reversed(list(traceback.walk_tb(failure.__traceback__))):
        file = Path(frame.f_code.co_filename)
        if folder is not None and file.parent == folder:
            text = linecache.getline(str(file), line).strip()
            return found | {"file": file.name, "line": line, "text": text, "shapes": _shapes(text, frame)}
    return found


def _shapes(text: str, frame: types.FrameType) -> dict[str, list[int]]:
    """The shapes of the arrays that a line reads: names, entries of lists as in `weights[-l + 1]`, and `w.T`."""
    try:
        tree = ast.parse(text.removesuffix(":") if not text.startswith(("for ", "while ", "if ")) else text + " pass")
    except SyntaxError:
        return {}
    read = [node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Subscript | ast.Attribute)]
    found: dict[str, list[int]] = {}
    for node in sorted(read, key=lambda node: node.col_offset):
        if isinstance(node.ctx, ast.Store) or any(isinstance(part, ast.Call) for part in ast.walk(node)):
            continue
        with suppress(Exception):  # what cannot be read again has no shape to show
            value = eval(compile(ast.Expression(node), "", "eval"), frame.f_globals, frame.f_locals)
            if isinstance(value, np.ndarray):
                found[ast.unparse(node)] = list(value.shape)
    return found


def is_empty(path: Path, name: str) -> bool:
    """Whether a function is as in the template: a description and `raise NotImplementedError`, or `...`."""
    body = ast.parse(path.read_text(encoding="utf-8-sig")).body
    written = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == name]
    return bool(written) and all(_says_nothing(statement) for statement in written[-1].body)  # the last one counts


def _says_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Raise) and node.exc is not None:
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def answers(path: Path, functions: Iterable[Function]) -> Iterable[dict[str, Any]]:
    """Try every function of the learner's file: one event for each, or one that says why the file cannot be read."""
    try:
        module = read(path)
    except BaseException as failure:
        yield {"unreadable": described(failure, path)}
        return
    for function in functions:
        mine = getattr(module, function.name, None)
        if mine is None:
            yield {"function": function.name, "missing": True}
        elif not callable(mine):
            yield {"function": function.name, "uncallable": type(mine).__name__}
        elif is_empty(path, function.name):
            yield {"function": function.name, "empty": True}
        else:
            yield {"function": function.name, "begun": True}
            yield {"function": function.name, "outcomes": try_cases(mine, function.tries, path)}
