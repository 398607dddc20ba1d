"""Text that is shown while it comes: never cut inside a character, and nothing of a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kqv.errors import Error


class Decoder(Protocol):
    """What streaming needs of a tokenizer."""

    @property
    def size(self) -> int:
        """How many tokens there are."""

    @property
    def endings(self) -> frozenset[int]:
        """The tokens that end a text, such as GPT-2's <|endoftext|>."""

    def decode_bytes(self, ids: npt.NDArray[Any]) -> bytes:
        """The UTF-8 bytes of `ids[position]`; a token may hold a part of a character."""


class TextStream:
    """Takes tokens one by one and gives back the text that is certain.

    Bytes of a character wait until it is whole, and characters that could begin a stop string until it is clear that
    they do not. The stop string that is complete first ends the text; of two that end together the longer one counts.
    So where tokens begin and end makes no difference. Bytes that are no UTF-8 appear as U+FFFD (�).
    Raises `Error` for an empty stop string.
    """

    def __init__(self, decoder: Decoder, stop: Sequence[str] = ()) -> None:
        if isinstance(stop, str) or not all(stop):
            raise Error(f"stop strings: expected a list of texts of at least one character, got {stop!r}")
        self.stopped = False
        self._decoder = decoder
        self._stop = tuple(stop)
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting = ""

    def push(self, token: int) -> str:
        """The text that became certain with this token; nothing more once the text is `stopped`."""
        return self._certain(self._characters.decode(self._decoder.decode_bytes(np.array([token]))))

    def finish(self) -> str:
        """What was still waiting, when no more tokens come."""
        text = self._certain(self._characters.decode(b"", final=True))
        text, self._waiting = text + self._waiting, ""
        return text

    def _certain(self, new: str) -> str:
        if self.stopped:
            return ""
        text = self._waiting + new
        ends = [(at + len(stop), at) for stop in self._stop if (at := text.find(stop)) >= 0]
        if ends:
            self.stopped = True
            self._waiting = ""
            return text[: min(ends)[1]]
        begun = self._begun(text)
        self._waiting = text[len(text) - begun :]
        return text[: len(text) - begun]

    def _begun(self, text: str) -> int:
        """How many characters at the end of the text could begin a stop string."""
        longest = max((len(stop) for stop in self._stop), default=1) - 1
        for count in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-count:]) for stop in self._stop):
                return count
        return 0
