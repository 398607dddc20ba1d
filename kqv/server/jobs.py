"""A request for text, as the engine works on it, and what it tells of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from kqv.generation.generate import End, Sample
from kqv.generation.sampling import Sampling


@dataclass(frozen=True)
class Asked:
    """What is to be written after the `ids` of a prompt: up to so many `tokens`, in so many `samples`.

    `top`: beside each token so many of the likeliest are told with their log-probabilities (None: none, nor the
    token's own). `scores_prompt`: the prompt's tokens have theirs told too.
    """

    ids: tuple[int, ...]
    tokens: int
    sampling: Sampling
    seed: int
    stop: tuple[str, ...] = ()
    samples: int = 1
    top: int | None = None
    scores_prompt: bool = False

    def reserved(self, context: int) -> int:
        """Positions of the key-value caches that it takes."""
        return self.samples * self.longest(context)

    def longest(self, context: int) -> int:
        """How many tokens one of its texts keeps in its cache."""
        return min(context, len(self.ids) + self.tokens)


@dataclass(frozen=True)
class Scored:
    """A token with log p by the model alone (None: it is the first, so nothing said what would come) and the likeliest
    tokens in its stead with theirs."""

    token: int
    log_probability: float | None
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Piece:
    """A token of a sample, and the text that became certain with it; `end` at the last one. `scored` where asked for;
    `is_text`: false of a token that only ends the text."""

    sample: int
    text: str
    end: End | None
    scored: Scored | None = None
    is_text: bool = True


@dataclass(frozen=True)
class PromptScored:
    """The prompt's tokens, which come before the first piece where they are asked for."""

    tokens: tuple[Scored, ...]


@dataclass(frozen=True)
class Failed:
    """Nothing more comes: why, and whether it is the server's fault."""

    why: str
    is_ours: bool = False


@dataclass(frozen=True)
class Done:
    """All samples have ended; a request for no tokens has none."""


LEAST = -9999.0
"""What OpenAI's protocol has for a log-probability of minus infinity."""

Event = Piece | PromptScored | Failed | Done
State = Literal["waiting", "going", "over"]


@dataclass(eq=False)
class Job:
    """Somebody's request. `tell(event)` is called by the engine's thread; after `left`, nothing more is computed."""

    asked: Asked
    tell: Callable[[Event], None]
    left: bool = False
    open_samples: int = 0
    prompt: list[Scored] = field(default_factory=list)


def scored(logits: Tensor, token: int, top: int) -> Scored:
    """A token's log p by logits `[vocab]`, with the `top` likeliest tokens'."""
    logs = torch.log_softmax(logits.double(), -1)
    best = logs.topk(min(top, len(logs)))
    pairs = tuple(zip(best.indices.tolist(), best.values.clamp(min=LEAST).tolist(), strict=True))
    return Scored(token, max(LEAST, float(logs[token])), pairs)


def scored_prompt(ids: Sequence[int], logits: Tensor, top: int) -> list[Scored]:
    """The tokens `ids[position]` by what the model said before each of them, `logits[position, vocab]`."""
    return [scored(row, token, top) for token, row in zip(ids, logits, strict=True)]


def piece(sample: Sample, logits: Tensor, asked: Asked, number: int) -> tuple[int, Piece]:
    """Let a sample choose its next token by logits `[vocab]`: the token, and what is told of it."""
    step = sample.step(logits, asked.sampling, number, is_last=number == asked.tokens - 1)
    token = step.choice.token
    told = None if asked.top is None else scored(logits, token, asked.top)
    return token, Piece(step.sample, step.text, step.end, told, is_text=token not in sample.ends)
