"""From a request to what the engine tells of it: submitted, followed, and given up when nobody listens any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from kqv.data.text.tokenizers import Tokenizer
from kqv.server.engine import Engine, Full
from kqv.server.jobs import Asked, Done, Event, Failed, Job
from kqv.server.refusals import Refusal, busy


@dataclass(eq=False)
class Followed:
    """The jobs of one request, and their events in the order in which they come: of which job, and what."""

    engine: Engine
    jobs: list[Job] = field(default_factory=list)
    events: asyncio.Queue[tuple[int, Event]] = field(default_factory=asyncio.Queue)

    def submit(self, asked: Sequence[Asked]) -> Followed:
        """Have all of it written. Raises `Refusal` where too much waits already."""
        loop = asyncio.get_running_loop()
        try:
            for number, one in enumerate(asked):
                self.jobs.append(self.engine.submit(one, _teller(loop, self.events, number)))
        except Full:
            self.leave()
            raise busy("the server has enough to write; try again in a moment") from None
        return self

    async def __aiter__(self) -> AsyncIterator[tuple[int, Event]]:
        """What comes until all jobs are done. Raises `Refusal` where one fails."""
        left = len(self.jobs)
        while left:
            number, event = await self.events.get()
            if isinstance(event, Failed):
                raise Refusal(503 if event.is_ours else 400, event.why)
            if isinstance(event, Done):
                left -= 1
            else:
                yield number, event

    def leave(self) -> None:
        """Nobody listens any more: nothing more is computed."""
        for job in self.jobs:
            self.engine.leave(job)


def _teller(loop: asyncio.AbstractEventLoop, events: asyncio.Queue[tuple[int, Event]], number: int) -> Any:
    def tell(event: Event) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(events.put_nowait, (number, event))

    return tell


async def has_left(request: Request) -> None:
    """Comes back when the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def prompt_of(ids: Sequence[int], tokenizer: Tokenizer, context: int, param: str) -> tuple[int, ...]:
    """A prompt's ids. Raises `Refusal` for none, for such as the model does not know, and for more than it reads."""
    if not ids:
        raise Refusal(400, f"'{param}' has no token, and a model continues at least one", param, "invalid_value")
    if min(ids) < 0 or max(ids) >= tokenizer.size:
        raise Refusal(400, f"the ids of '{param}' go from 0 to {tokenizer.size - 1:,}", param, "invalid_value")
    if len(ids) > context:
        raise Refusal(
            400,
            f"This model's maximum context length is {context:,} tokens, but your {param} resulted in {len(ids):,}; "
            "leave something out",
            param,
            "context_length_exceeded",
        )
    return tuple(int(token) for token in ids)
