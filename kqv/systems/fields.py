"""A recipe's fields by name: which there are, which one a word means, and the recipe with other values in them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from kqv.errors import Error
from kqv.files import parsed_json
from kqv.systems.changes import Changes
from kqv.training.parsing import one_line
from kqv.training.plans import Recipe

Kind = TypeVar("Kind", bound=Recipe)

OUR_OWN = frozenset({"system", "name", "training.seed", "training.first_weights"})
"""What a comparison sets itself."""

FLAGS = frozenset(Changes.__dataclass_fields__) - {"seed", "data"}
"""Changes that `kqv train` has a flag for; these names mean here what they mean there, with all that follows."""


def fields_of(recipe: Recipe) -> dict[str, Any]:
    """Each field that can be varied by its path (`model.score`), with its value in the recipe."""
    return {path: value for path, value in _leaves(recipe.model_dump(), "") if path not in OUR_OWN}


def _leaves(content: Mapping[str, Any], path: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in content.items():
        here = f"{path}{name}"
        found += _leaves(value, f"{here}.") if isinstance(value, dict) else [(here, value)]
    return found


def path_of(recipe: Recipe, name: str) -> str:
    """The path of the field that a name means: the path itself, or its end; of what `kqv train` has a flag for, the
    flag's name.

    Raises `Error` that lists what exists for a name that means none, or several.
    """
    known = fields_of(recipe)
    if name in known:
        return name
    if name in OUR_OWN:
        raise Error(f"{name} cannot be varied: a comparison sets it itself")
    ends = [path for path in known if path.endswith(f".{name}")]
    if name in FLAGS and _is_flag_of(recipe, name, ends):
        return name
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise Error(f"{name!r} can be {' or '.join(ends)}; give one of these paths")
    raise Error(
        f"the recipe {recipe.name} has no field {name!r}; it has: {', '.join(known)}; and as in kqv train: "
        f"{', '.join(sorted(flag for flag in FLAGS if _is_flag_of(recipe, flag, [])))}"
    )


def _is_flag_of(recipe: Recipe, name: str, ends: list[str]) -> bool:
    """Whether a flag's name means something for a recipe: it is a field of it, or one of the sizes, which a system
    makes several fields of."""
    return bool(ends) or name in ("layers", "width") or any(path.endswith(f".{name}") for path in fields_of(recipe))


def value_of(recipe: Recipe, path: str) -> Any:
    """The recipe's own value of a field; None for a size that is no field of its own."""
    known = fields_of(recipe)
    ends = [name for name in known if name == path or name.endswith(f".{path}")]
    return known[ends[0]] if len(ends) == 1 else None


def with_fields(recipe: Kind, settings: Mapping[str, Any]) -> tuple[Kind, Changes]:
    """The recipe with other values, and what of them its system changes itself (what `kqv train` has a flag for).

    A value may be a word, as it is typed: it is read as the field's own kind. Raises `Error` for one that cannot be.
    """
    flags = {path: read(value) for path, value in settings.items() if path in FLAGS}
    for path, value in settings.items():
        if path not in FLAGS:
            recipe = _with_field(recipe, path, value)
    return recipe, Changes(**flags)


def _with_field(recipe: Kind, path: str, value: Any) -> Kind:
    failure: ValidationError | None = None
    for candidate in (read(value), value):
        content = recipe.model_dump()
        *parents, last = path.split(".")
        inner = content
        for parent in parents:
            inner[parent] = dict(inner.get(parent) or {})
            inner = inner[parent]
        inner[last] = candidate
        try:
            return type(recipe).model_validate(content)
        except ValidationError as found:
            failure = failure or found
    assert failure is not None
    raise Error(f"{path} cannot be {shown(value)}: {one_line(failure).removeprefix(f'{path}: ')}")


def read(value: Any) -> Any:
    """A word as JSON has it, where it is JSON: 0.5, true, null, [30, 30]; else the word."""
    if not isinstance(value, str):
        return value
    try:
        return parsed_json(value)
    except ValueError:
        return value


def shown(value: Any) -> str:
    """A value as one would type it."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(list(value) if isinstance(value, tuple) else value, separators=(",", ":"), allow_nan=False)


def split_values(text: str) -> list[str]:
    """`dot,squared` as two values; commas in brackets belong to a value: `[30],[30,30]`."""
    values, depth = [""], 0
    for sign in text:
        depth += (sign in "[{") - (sign in "]}")
        if sign == "," and depth == 0:
            values.append("")
        else:
            values[-1] += sign
    return [value.strip() for value in values]
