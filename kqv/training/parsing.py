"""Reading what was written before: JSON against its typed description, with errors of one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from kqv.errors import ADVICE, RunError
from kqv.files import parsed_json, reason
from kqv.files.reading import read_text

Kind = TypeVar("Kind", bound=BaseModel)


def one_line(failure: ValidationError) -> str:
    """The first thing that is wrong, with the field's name."""
    first = failure.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"][:1].lower() + first["msg"][1:]
    return f"{where}: {message}" if where else message


def parsed(kind: type[Kind], content: Any, origin: Path) -> Kind:
    """Content as an object of its kind; `RunError` that names the first field that is wrong."""
    try:
        return kind.model_validate(content)
    except ValidationError as failure:
        raise RunError(f"{origin} is damaged: {one_line(failure)}; {ADVICE}") from None


def read_json(path: Path) -> dict[str, Any]:
    """A file with one JSON object; `RunError` when it is missing, unreadable or something else."""
    try:
        content = parsed_json(read_text(path))
    except FileNotFoundError:
        raise RunError(f"{path} is missing, so the run is damaged: {ADVICE}") from None
    except OSError as failure:
        raise RunError(f"{path} cannot be read: {reason(failure)}") from None
    except (ValueError, RecursionError) as failure:
        raise RunError(f"{path} is damaged, it is not JSON ({failure}): {ADVICE}") from None
    if not isinstance(content, dict):
        raise RunError(f"{path} is damaged: expected a JSON object, found {type(content).__name__}; {ADVICE}")
    return content
