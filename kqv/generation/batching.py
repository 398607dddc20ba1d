"""Continuous batching: texts of different lengths are written together, and each may come and go at any token.

A prompt is read in chunks, one text at a time, so that a long one holds the others up for a chunk only. What is written
goes on side by side (`kqv.models.side_by_side`), by the fast step where the model has the usual parts. No text changes
another: which numbers are computed for it, and in which order they are added up, is the same in any company (see
`for_company` in `kqv.generation.weights`; smaller types have kernels that treat each row by itself).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from kqv.generation.fast_step import FastStep, keeping
from kqv.generation.obstacles import obstacle_in, require_usual
from kqv.generation.weights import ROWS, for_company
from kqv.models.gpt import GPT
from kqv.models.side_by_side import SideBySide
from kqv.operations.products import FEW_ROWS

CHUNK = 128
"""Tokens of a prompt that are read at once: as fast for each token as more of them, and soon over."""


class Text:
    """A text that is read and written: what the model has not read yet, and the cache of what it has.

    Of a longer beginning the last `context` tokens are read. Once the window is full, a new token lets its older half
    be forgotten, and the rest is read anew (as in `kqv.generation.predictor`). `longest`: how many tokens it will have
    at most; no more room is taken (None: the context).
    Raises `Error` for a model of which nothing can be kept in a cache.
    """

    def __init__(self, model: GPT, ids: Iterable[int], longest: int | None = None) -> None:
        self.context = model.context
        self.unread = list(ids)[-self.context :]
        self.window: list[int] = []
        self.cache = model.new_cache(1, longest)

    @property
    def is_ready(self) -> bool:
        """Whether a single token is unread, and not the first: then it goes on side by side with others."""
        return len(self.unread) == 1 and bool(self.window)

    def add(self, token: int) -> None:
        """A token that was chosen, which is to be read next."""
        if len(self.window) < self.context:
            self.unread = [token]
            return
        self.unread = [*self.window, token][-max(1, self.context // 2) :]
        self.window = []
        self.cache.clear()

    def take(self, count: int) -> list[int]:
        """The next so many unread ids, which the model reads now."""
        taken, self.unread = self.unread[:count], self.unread[count:]
        self.window += taken
        return taken

    def copied(self) -> Text:
        """Another one of the same beginning."""
        copy = Text.__new__(Text)
        copy.context, copy.unread, copy.window = self.context, list(self.unread), list(self.window)
        copy.cache = self.cache.copied()
        return copy


class Together:
    """Reads and continues texts with one model; the model stays in evaluation mode.

    `weights`: as which the matrices are kept for tokens after the prompt; prompts are read with the model's own.
    Raises `Error` for weights that do not exist, and for others than float32 where the model has an obstacle.
    """

    def __init__(self, model: GPT, weights: str = "float32") -> None:
        self.model = model.eval()
        self.device = model.tokens.weight.device
        chosen = require_usual(model, weights)
        is_usual = chosen != "float32" or obstacle_in(model) is None
        keep = for_company if chosen == "float32" else keeping(model, chosen)
        self.step = FastStep(model, keep) if is_usual else None

    def read(self, text: Text, every: bool = False) -> Tensor:
        """Read a chunk of what is unread; the logits of what comes after it, `[1, vocab]`, or with `every` after each
        of its tokens, `[position, vocab]`."""
        ids = torch.tensor([text.take(CHUNK)], device=self.device)
        with torch.inference_mode():
            states = self.model.read(ids, text.cache)
            return self.model.head(states if every else states[:, -1:])[0].clone()

    def advance(self, texts: Sequence[Text]) -> Tensor:
        """Let each text's one unread token be read; the logits of what comes next, `[text, vocab]`."""
        return torch.cat([self._advance(texts[start : start + FEW_ROWS]) for start in range(0, len(texts), FEW_ROWS)])

    def _advance(self, texts: Sequence[Text]) -> Tensor:
        ids, caches = [token for text in texts for token in text.take(1)], SideBySide([text.cache for text in texts])
        if self.step is not None:
            return self.step(torch.tensor(ids, device=self.device), caches).clone()
        ids += [0] * (-len(ids) % ROWS)
        with torch.inference_mode():
            logits = self.model(torch.tensor([ids], device=self.device), caches)
            return logits[0, : len(texts)].clone()  # type: ignore[no-any-return]
