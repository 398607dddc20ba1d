"""The engine: one thread that writes all requests' texts, side by side."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from kqv.data.text.tokenizers import Tokenizer
from kqv.errors import Error
from kqv.generation.batching import CHUNK, Text, Together
from kqv.generation.generate import Sample
from kqv.generation.sampling import generators
from kqv.generation.streaming import TextStream
from kqv.models.gpt import GPT
from kqv.server.jobs import Asked, Done, Event, Failed, Job, PromptScored, Scored, piece, scored_prompt
from kqv.server.settings import Limits

STOPPING = "the server is stopping"


class Full(Exception):  # noqa: N818 - a state
    """As many requests wait as may."""


@dataclass(eq=False)
class _Writing:
    """One text of a job; before the prompt is read, that of all its samples (`sample` is None)."""

    job: Job
    text: Text
    sample: Sample | None = None
    number: int = 0
    read: int = 0

    @property
    def is_over(self) -> bool:
        return self.job.left or (self.sample is not None and self.sample.ended)


class Engine:
    """Writes for many requests at once; which texts go together changes none of them (`kqv.generation.batching`).

    In each turn a chunk of one prompt is read, or a few short prompts, and every text that is begun goes on by a token.
    A request comes in when there is room for its texts, in the order in which they came.
    """

    def __init__(self, model: GPT, tokenizer: Tokenizer, limits: Limits, weights: str = "float32") -> None:
        self.model, self.tokenizer, self.limits = model, tokenizer, limits
        self.together = Together(model, weights)
        weight, heads = model.tokens.weight, model.heads
        each = 2 * len(model.blocks) * heads.key_heads * heads.channels * weight.element_size()
        self.most_positions = limits.cache_bytes // each
        self._waiting: deque[Job] = deque()
        self._going: list[_Writing] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="kqv engine", daemon=True)

    def start(self) -> Engine:
        """Begin to work."""
        self._thread.start()
        return self

    def close(self, seconds: float = 2.0) -> None:
        """Stop after the turn that runs; whoever still waits is told so."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(seconds)

    @property
    def waiting(self) -> int:
        """Requests that are not begun."""
        return len(self._waiting)

    @property
    def going(self) -> int:
        """Texts that are being read or written."""
        return len(self._going)

    def submit(self, asked: Asked, tell: Callable[[Event], None]) -> Job:
        """Have it written; `tell` is called by the engine's thread with what comes. Raises `Full`."""
        job = Job(asked, tell)
        with self._changed:
            if len(self._waiting) >= self.limits.waiting:
                raise Full
            if self._closing:
                tell(Failed(STOPPING, is_ours=True))
                return job
            self._waiting.append(job)
            self._changed.notify()
        return job

    def leave(self, job: Job) -> None:
        """Nobody wants it any more."""
        with self._changed:
            job.left = True
            if job in self._waiting:
                self._waiting.remove(job)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._closing or self._waiting or self._going):
                    self._changed.wait()
                if self._closing:
                    break
                self._let_in()
            try:
                self._turn()
            except Exception as failure:  # a turn that fails is told to those in it; the next one may go well
                self._fail(failure)
        for job in {*self._waiting, *(writing.job for writing in self._going)}:
            job.tell(Failed(STOPPING, is_ours=True))
        self._waiting.clear()
        self._going.clear()

    def _let_in(self) -> None:
        """Begin with the first requests for which there is room; one that is alone always has it."""
        context = self.model.context
        while self._waiting:
            asked = self._waiting[0].asked
            jobs = {writing.job for writing in self._going}
            texts = sum(job.asked.samples for job in jobs) + asked.samples
            positions = sum(job.asked.reserved(context) for job in jobs) + asked.reserved(context)
            if jobs and (texts > self.limits.texts or positions > self.most_positions):
                return
            job = self._waiting.popleft()
            self._going.append(_Writing(job, Text(self.model, asked.ids, asked.longest(context))))

    def _turn(self) -> None:
        begun = [one for one in self._going if one.text.is_ready]
        for reading in self._to_read():
            self._read(reading)
        ready = [one for one in begun if not one.is_over]
        if ready:
            for one, logits in zip(ready, self.together.advance([it.text for it in ready]).cpu(), strict=True):
                self._said(one, logits)
        self._going = [one for one in self._going if not one.is_over]

    def _to_read(self) -> list[_Writing]:
        """Those whose prompt goes on in this turn: a chunk in all, of which a short one counts as a quarter, since the
        model's weights are read for it as for any other."""
        found, room = [], CHUNK
        for one in self._going:
            if room > 0 and not one.is_over and not one.text.is_ready:
                found.append(one)
                room -= max(len(one.text.unread), CHUNK // 4)
        return found

    def _read(self, writing: _Writing) -> None:
        """Read a chunk of a text, which is a prompt or one whose window has moved."""
        job, start = writing.job, len(writing.text.window)
        scores = writing.sample is None and job.asked.scores_prompt
        logits = self.together.read(writing.text, every=scores).cpu()
        if scores:
            following = job.asked.ids[start + 1 : start + 1 + len(logits)]
            job.prompt += scored_prompt(following, logits[: len(following)], job.asked.top or 0)
        if not writing.text.unread:
            self._said(writing, logits[-1])

    def _said(self, writing: _Writing, logits: Tensor) -> None:
        """What the model says after a text: of a prompt for each sample, which go their own ways from here on."""
        if writing.sample is not None:
            self._choose(writing, logits)
            return
        job = writing.job
        if job.asked.scores_prompt:
            job.tell(PromptScored((Scored(job.asked.ids[0], None), *job.prompt)))
        job.open_samples = job.asked.samples
        if not job.asked.tokens:
            job.left = True
            job.tell(Done())
            return
        others = [_Writing(job, writing.text.copied()) for _ in range(job.asked.samples - 1)]
        self._going += others
        chances = generators(job.asked.seed, job.asked.samples)
        for number, (one, chance) in enumerate(zip([writing, *others], chances, strict=True)):
            stream = TextStream(self.tokenizer, job.asked.stop)
            one.sample = Sample(number, list(job.asked.ids), chance, stream, self.tokenizer.endings)
            self._choose(one, logits)

    def _choose(self, writing: _Writing, logits: Tensor) -> None:
        """The next token of a sample, and what is told of it."""
        job, sample = writing.job, writing.sample
        assert sample is not None
        try:
            token, told = piece(sample, logits, job.asked, writing.number)
        except Error as failure:  # such as logits that are no numbers
            job.left = True
            job.tell(Failed(str(failure), is_ours=True))
            return
        writing.number += 1
        if not sample.ended:
            writing.text.add(token)
        job.tell(told)
        if sample.ended:
            job.open_samples -= 1
            if not job.open_samples:
                job.tell(Done())

    def _fail(self, failure: Exception) -> None:
        traceback.print_exception(failure)
        for job in {writing.job for writing in self._going}:
            job.tell(Failed("the server failed at this; its log says why", is_ours=True))
        self._going.clear()
