"""The room's work: texts that are read, written and asked about, with what has to be kept between requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from kqv.errors import Error
from kqv.lab.sentence.fetching import Fetching
from kqv.lab.sentence.models import Chosen, choose
from kqv.lab.sentence.reading import MOST_TOKENS, asked_of, described
from kqv.lab.sentence.whys import Whys
from kqv.lab.sentence.writing import Writer
from kqv.lab.state import FETCHED, Lab
from kqv.lab.traces.kept import KeptTrace
from kqv.systems.system import TraceAsked
from kqv.systems.writing import Tell, Writing
from kqv.trace.trace import Trace
from kqv.trace.views.words import visible
from kqv.why.why import Why

MOST_CHARACTERS = 20_000
MOST_GRADIENTS = 4_000_000_000
"""Bytes that a trace with its gradients may take."""


@dataclass(eq=False)
class Room:
    """One lab's room: what writes, and the passes that were asked about last."""

    lab: Lab
    writer: Writer = field(default_factory=Writer)
    whys: Whys = field(default_factory=Whys)
    fetching: Fetching = field(init=False)

    def __post_init__(self) -> None:
        self.fetching = Fetching(FETCHED, self.lab.events.publish)

    def close(self) -> None:
        """End the text that is being written, and the download."""
        self.writer.stop()
        self.fetching.stop()

    def read(
        self, model: str, text: str, translation: str | None, like: str | None, gradients: bool = False
    ) -> dict[str, Any]:
        """Trace a model on a text and say what there is to see; of large ones the gradients only where they are wanted.

        Raises `Error` for a text that it cannot read.
        """
        if len(text) > MOST_CHARACTERS:
            raise Error(f"the text has {len(text):,} characters; the lab reads up to {MOST_CHARACTERS:,} at once")
        chosen = choose(self.lab, model)
        asked = asked_of(text, translation, like, chosen.kind.searches)
        tokens = tokens_of(chosen, asked)
        require_length(tokens)
        changed = 0.0 if chosen.source.run is None else chosen.source.run.changed
        key = ("sentence", model, changed)
        if chosen.takes_long(tokens):
            asked = replace(asked, backward=gradients)
            if gradients:
                require_memory(self.lab.traces.find((*key, replace(asked, backward=False))), tokens)
        about = {"model": model, "system": chosen.kind.name, "input": asked.input, "label": asked.label}
        began = time.monotonic()
        kept = self.lab.traces.record(lambda: chosen.traced(asked), (*key, asked), about)
        return {
            "trace": kept.id,
            "model": model,
            "about": kept.traced.heading,
            "writes": chosen.kind.write is not None,
            "translates": chosen.kind.searches,
            "explains": chosen.kind.why is not None,
            "seconds": time.monotonic() - began,
            "backward": asked.backward,
            **described(kept.trace),
        }

    def trace(self, identity: str) -> Trace:
        """A trace that was made before."""
        return self.lab.traces[identity].trace

    def why(self, identity: str) -> Why:
        """The pass of a trace, to be asked why, on a copy of the model."""
        about = self.lab.traces[identity].about
        if "input" not in about:
            raise Error(f"the trace {identity!r} is not of a text that was read here; read the text first")

        def make() -> Why:
            chosen = choose(self.lab, about["model"])
            found: Why = chosen.able("why")(chosen.copied(), about["input"], about["label"])
            return found

        return self.whys.of(identity, make)

    def write(self, model: str, text: str, how: Writing) -> Iterator[dict[str, Any]]:
        """What a model writes, piece by piece. Raises `Error` where it writes nothing."""
        chosen = choose(self.lab, model)
        write: Callable[[Any, str, Writing, Tell], str] = chosen.able("write")
        words = _words_of(chosen)
        return self.writer.pieces(lambda tell: write(chosen.loaded, text, how, tell), words)


def _words_of(chosen: Chosen) -> Callable[[int], str]:
    """The words of the tokens that a model writes, as one sees them."""
    tokenizer = getattr(chosen.loaded, "tokenizer", None)
    return lambda token: str(token) if tokenizer is None else visible(tokenizer.token_text(token))


def tokens_of(chosen: Chosen, asked: TraceAsked) -> int:
    """How many tokens a text has, as far as that matters: a sum is short, and so is what a translator reads."""
    if chosen.kind.why is None or chosen.kind.searches:
        return 0
    return int(chosen.kind.why(chosen.loaded, asked.input or "", None).passage.inputs[0].shape[-1])


def require_length(tokens: int) -> None:
    """Raise `Error` for a text of more tokens than the lab traces: attention grows with their square."""
    if tokens > MOST_TOKENS:
        raise Error(
            f"the text has {tokens:,} tokens; the lab follows up to {MOST_TOKENS:,}, since attention grows with their "
            "square: leave some out, or use kqv trace"
        )


def require_memory(forward: KeptTrace | None, tokens: int) -> None:
    """Raise `Error` where the gradients of a text, each as large as its number, would take too much memory."""
    needed = 0 if forward is None else 2 * forward.size
    if needed > MOST_GRADIENTS:
        raise Error(
            f"the gradients of {tokens:,} tokens would take {needed / 1e9:.1f} GB; the lab gives them up to "
            f"{MOST_GRADIENTS / 1e9:.0f} GB: leave out some of the text"
        )
