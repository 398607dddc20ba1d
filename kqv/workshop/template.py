"""The template of an exercise: the task, the formulas, names and dimensions, and bodies still to be written."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap

from kqv.workshop.exercise import Exercise, Function, Value

WIDTH = 100


def template(exercise: Exercise, option: str = "") -> str:
    """The text of a learner's new file; `option` stands behind the commands in it (--folder)."""
    formulas = [f"    {line}" for function in exercise.functions for line in function.formula.split(";  ")]
    described = [
        *textwrap.wrap(f'"""{exercise.task}', WIDTH), "", *formulas, "",
        *textwrap.wrap(f"Source: {exercise.source}", WIDTH), "",
        f"Check it:  kqv rebuild check {exercise.name}{option}",
        f"A hint:    kqv rebuild hint {exercise.name}{option}", '"""',
    ]  # fmt: skip
    head = [*described, "", "import numpy as np", *([exercise.imports] if exercise.imports else [])]
    return "\n".join(head) + "\n" + "".join(f"\n\n{_empty(function)}" for function in exercise.functions)


def _empty(function: Function) -> str:
    names = [value.name for value in (*function.takes, *function.gives)]
    width = max(map(len, names))
    newline = "\n       "
    lines = [f"def {function.call}:", f'    """{function.formula.replace(";  ", newline)}', "", "    In:"]
    lines += [_described(value, width) for value in function.takes]
    lines += ["    Out:", *(_described(value, width) for value in function.gives), '    """']
    return "\n".join([*lines, '    raise NotImplementedError("to be written")', ""])


def _described(value: Value, width: int) -> str:
    return f"        {value.name:<{width}}  {value.shape_text}: {value.meaning}"


def solution(exercise: Exercise) -> str:
    """The reference, as a learner may write it into the template."""
    sources = [_without_types(function) for function in exercise.functions]
    imports = ["import numpy as np", *([exercise.imports] if exercise.imports else [])]
    return "\n".join(imports) + "\n\n\n" + "\n\n\n".join(sources) + "\n"


def _without_types(function: Function) -> str:
    """The reference's source with the template's plain first line, and without remarks for our own tools."""
    source = inspect.getsource(function.reference).rstrip()
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.FunctionDef)
    body = source.splitlines()[definition.body[0].lineno - 1 :]
    return "\n".join([f"def {function.call}:", *(re.sub(r"  # (noqa|fmt).*", "", line) for line in body)])
