"""The models that read text, and copies of them to trace."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import nn

from kqv.data.registry import SOURCES
from kqv.data.sources import find
from kqv.errors import Error
from kqv.lab.state import FETCHED, Lab, Models
from kqv.systems.source import ModelSource
from kqv.systems.system import Kind, TraceAsked, Traced, kind_named

MOST_AT_ONCE = 4_000_000_000
"""Multiplications of a pass up to which it is followed back at once: that takes about two seconds on one core."""


@dataclass(frozen=True)
class Reader:
    """A model that reads text, and what can be done with it. `here`: whether it has to be fetched first; `kind`: of
    which system it is."""

    name: str
    kind: str
    here: bool
    writes: bool
    translates: bool
    explains: bool
    compares: bool

    def as_dict(self) -> dict[str, Any]:
        """All of it for JSON."""
        return asdict(self)


def readers(models: Models) -> list[Reader]:
    """The lab's models that read text, and the one that a button fetches."""
    found = [_reader(model.name, kind_named(model.system)) for model in models.names()]
    known = [reader for reader in found if reader is not None]
    if FETCHED not in {reader.name for reader in known}:
        with suppress(Error):
            fetched = _reader(FETCHED, kind_named("gpt"))
            known += [replace(fetched, here=is_here(FETCHED))] if fetched is not None else []
    return known


def _reader(name: str, kind: Kind) -> Reader | None:
    if kind.read is None:
        return None
    return Reader(name, kind.name, True, kind.write is not None, kind.searches, kind.why is not None, kind.compares)


def is_here(name: str) -> bool:
    """Whether all files of a named model are on this machine."""
    source = SOURCES[name]
    return all(find(source, file) is not None for file in source.files)


@dataclass(frozen=True, eq=False)
class Chosen:
    """A model that was chosen: where it is, its kind, and loaded; whoever traces takes a `copied` one."""

    source: ModelSource
    kind: Kind
    loaded: Any

    def copied(self) -> Any:
        """The loaded model with a copy of the network; of files, which no update changes, with the same weights."""
        network = self.loaded.model
        own = copy.deepcopy(network) if self.source.run is not None else with_same_weights(network)
        return replace(self.loaded, model=own)

    def traced(self, asked: TraceAsked) -> Traced:
        """A trace of a copy."""
        return self.able("read")(self.source, self.copied(), asked)  # type: ignore[no-any-return]

    def takes_long(self, tokens: int) -> bool:
        """Whether one waits for the gradients of a text of so many tokens: each weight costs a multiplication for each
        token, and its gradient as much as a hundred, since all of it has to be written."""
        weights: int = sum(weight.numel() for weight in self.loaded.model.parameters())
        return (tokens + 100) * weights > MOST_AT_ONCE

    def able(self, what: str) -> Callable[..., Any]:
        """What the kind can: `read`, `write` or `why`; `Error` where it can not."""
        found: Callable[..., Any] | None = getattr(self.kind, what)
        if found is None:
            raise Error(f"{self.source.name} is of the kind {self.kind.name}, for which there is no {what} of a text")
        return found


def choose(lab: Lab, name: str) -> Chosen:
    """A model of the lab by its name, loaded. Raises `RunError` for one that it does not have, `Error` for the one that
    is fetched first."""
    if name == FETCHED and name not in lab.models.settings.models and not is_here(name):
        raise Error(f"{name} is not on this machine yet: fetch it with its button, or with kqv data fetch {name}")
    source = lab.models.source(name)
    kind = kind_named(source.system)
    if kind.read is None:
        raise Error(f"{name} reads no text: it is of the kind {kind.name}; choose a GPT, a translator or an encoder")
    return Chosen(source, kind, lab.models.get(name))


def with_same_weights(network: nn.Module) -> nn.Module:
    """A copy with hooks, mode and gradients of its own, whose weights are the very same numbers in memory."""
    memo: dict[int, Any] = {}
    for parameter in network.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach(), parameter.requires_grad)
    for buffer in network.buffers():
        memo[id(buffer)] = buffer
    return copy.deepcopy(network, memo)
