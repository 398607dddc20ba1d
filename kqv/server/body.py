"""A request's body as a checked object; what is wrong with it in OpenAI's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from kqv.server.refusals import Refusal

Asked = TypeVar("Asked", bound="Body")


class Body(BaseModel):
    """What can be asked; nothing else is taken, and numbers are finite."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True, protected_namespaces=())


async def read_body(request: Request) -> bytes:
    """All of the body, as it came. Raises `Refusal` for one that breaks off."""
    try:
        return await request.body()
    except ClientDisconnect:
        raise Refusal(400, "the request's body broke off") from None


async def read_json(request: Request) -> dict[str, Any]:
    """The body as a JSON object, whatever content type it claims. Raises `Refusal` for anything else."""
    content = await read_body(request)
    try:
        found = from_json(content, allow_inf_nan=False)
    except ValueError as failure:
        raise Refusal(400, f"We could not parse the JSON body of your request: {failure}") from None
    if not isinstance(found, dict):
        raise Refusal(400, 'the body of the request has to be a JSON object, as in {"prompt": "To be"}')
    return found


def checked(kind: type[Asked], content: Mapping[str, Any], neutral: Mapping[str, tuple[Any, ...] | None]) -> Asked:
    """The body as an object of that kind.

    `neutral`: further fields of the protocol that change nothing with one of these values (None: with any). Raises
    `Refusal` for unknown fields, and for what cannot be done.
    """
    kept = {}
    for name, value in content.items():
        if name not in neutral:
            kept[name] = value
        elif (values := neutral[name]) is not None and value is not None and value not in values:
            raise Refusal(400, f"'{name}' is not supported by this server; leave it out", name, "unsupported_parameter")
    try:
        return kind.model_validate(kept)
    except ValidationError as failure:
        raise _in_words(failure) from None


def _in_words(failure: ValidationError) -> Refusal:
    first = failure.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else None
    if first["type"] == "extra_forbidden":
        return Refusal(400, f"Unrecognized request argument supplied: {name}", name, "unknown_parameter")
    if first["type"] == "missing":
        return Refusal(400, f"you must provide a {name} parameter", name, "missing_required_parameter")
    said = first["msg"].removeprefix("Value error, ")
    return Refusal(400, f"Invalid value for '{name}': {said}" if name else said, name, "invalid_value")
