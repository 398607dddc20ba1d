"""Checking a learner's file: it runs in a limited process, and what came back is judged and explained."""

from __future__ import annotations

import hashlib
import linecache
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from kqv.errors import Error
from kqv.files import reason
from kqv.files.reading import read_bytes
from kqv.workshop.catalogue import exercise, names
from kqv.workshop.diagnosis import judge
from kqv.workshop.exceptions import location_of
from kqv.workshop.exercise import Exercise, Function
from kqv.workshop.findings import Finding, Report, Verdict
from kqv.workshop.process import MALFORMED, Ended, Limits, run

WORKER = "kqv.workshop.worker"


def check(name: str, file: Path, limits: Limits | None = None) -> Report:
    """Check the learner's file for the exercise `name`.

    Raises `Error` where there is no such exercise or file.
    """
    chosen = exercise(name)
    require_file(name, file)
    request = {"do": "check", "exercise": chosen.name, "file": str(file.resolve())}
    ended = run([WORKER], file.parent, limits or Limits(), request)
    try:
        return report(chosen, ended, file)
    except (LookupError, TypeError, ValueError, AttributeError):  # events that no worker sends
        return Report(chosen.name, (), ended.printed, Finding("stopped", MALFORMED))


def require_file(name: str, file: Path) -> str:
    """The SHA-256 of the learner's file; `Error` where there is none."""
    try:
        return hashlib.sha256(read_bytes(file)).hexdigest()
    except FileNotFoundError:
        raise Error(f"there is no {file} yet; start with: kqv rebuild {name}") from None
    except OSError as failure:
        raise Error(f"{file} cannot be read: {reason(failure)}") from None


def where_in(trace: str, file: Path) -> tuple[str, ...]:
    """The innermost line of the learner's own files in a trace, in words; nothing where there is none."""
    for name, number in re.findall(r'File "([^"\n]+)", line (\d+)', trace):
        if Path(name).parent == file.resolve().parent:
            linecache.checkcache(name)  # a lab lives longer than a version of the file
            text = linecache.getline(name, int(number)).strip()
            return (f"It was in line {number} of {Path(name).name}: {text}",)
    return ()


def report(chosen: Exercise, ended: Ended, file: Path) -> Report:
    """What the events of a learner's process say of the exercise."""
    said: dict[str, dict[str, Any]] = {}
    for event in ended.events:
        if "unreadable" in event:
            return Report(chosen.name, (), ended.printed, _unreadable(event["unreadable"]))
        if "function" in event:
            said.setdefault(event["function"], {}).update(event)
    stopped = Finding("stopped", ended.problem, where_in(ended.trace, file))
    if ended.problem and not said:
        return Report(chosen.name, (), ended.printed, replace(stopped, headline=f"when it was read, {ended.problem}"))
    verdicts = []
    for function in chosen.functions:
        verdicts.append(_verdict(function, said.get(function.name, {}), stopped))
    return Report(chosen.name, tuple(verdicts), ended.printed)


def _unreadable(raised: dict[str, Any]) -> Finding:
    kind, message = raised["type"], raised["message"]
    if kind in ("SyntaxError", "IndentationError", "TabError"):
        return Finding("unreadable", f"Python cannot read it{location_of(raised)}: {message}")
    if kind in ("ImportError", "ModuleNotFoundError"):
        wanted = next((name for name in names() if f"'{name}'" in message), None)
        advice = ("NumPy is all that is needed; another exercise's file can be imported by its name.",)
        if wanted is not None:
            advice = (f"That exercise is not started yet: kqv rebuild {wanted}",)
        return Finding("unreadable", f"an import failed{location_of(raised)}: {message}", advice)
    if kind == "SystemExit":
        return Finding(
            "unreadable", f"it ended Python when it was read{location_of(raised)}", ("Leave out exit() and quit().",)
        )
    return Finding("unreadable", f"{kind} when it was read{location_of(raised)}: {message}")


def _verdict(function: Function, said: dict[str, Any], stopped: Finding) -> Verdict:
    if "outcomes" in said:
        return judge(function, said["outcomes"])
    tries = len(function.tries)
    if said.get("empty"):
        finding = Finding("empty", "the body is still to be written: replace `raise NotImplementedError`")
    elif said.get("missing"):
        finding = Finding("missing", f"the file has no function {function.name}; it should have: def {function.call}:")
    elif "uncallable" in said:
        finding = Finding("missing", f"{function.name} is a {said['uncallable']}, not a function: def {function.call}:")
    elif "begun" in said:
        finding = stopped
    else:
        finding = Finding("stopped", "not tested: the function before it did not end")
    return Verdict(function.call, tries, 0, finding)
