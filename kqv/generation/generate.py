"""Generation: a prompt is read, then token by token is chosen, read and shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kqv.errors import Error
from kqv.generation.predictor import Predictor
from kqv.generation.sampling import Choice, Sampling, choose, generators
from kqv.generation.streaming import Decoder, TextStream

Ids = Sequence[int] | npt.NDArray[Any]
End = Literal["stop", "end of text", "length"]


@dataclass(frozen=True)
class Step:
    """One token of one sample: how it was chosen, and the text that became certain with it (perhaps none).

    `number` counts a sample's tokens from 0. `end` stands at its last one: a stop string was found, the vocabulary's
    end-of-text token came, or the `length` that was asked for is reached.
    """

    sample: int
    number: int
    choice: Choice
    text: str
    end: End | None


def generate(
    predictor: Predictor,
    tokenizer: Decoder,
    prompt_ids: Ids,
    tokens: int,
    sampling: Sampling | None = None,
    seed: int = 1,
    stop: Sequence[str] = (),
    samples: int = 1,
    past_end: bool = False,
) -> Iterator[Step]:
    """Continue a prompt by up to `tokens` tokens, in `samples` ways at once; the steps come as they are computed.

    The prompt is no part of the steps' text, and stop strings are looked for after it; they are not shown. Nor are the
    vocabulary's tokens that end a text, or a turn of a chat; they end the sample, but with `past_end` they are tokens
    like any other. Prompt and text may be longer than the context, as the predictor says.
    Raises `Error`, at the call, for a prompt without a token, ids or a tokenizer that do not belong to the model, and
    counts that make no sense.
    """
    text = checked_prompt(predictor.vocab, tokenizer, prompt_ids)
    if tokens < 0 or samples < 1:
        raise Error(f"expected tokens from 0 on and samples from 1 on; got tokens {tokens}, samples {samples}")
    ends = frozenset[int]() if past_end else tokenizer.endings
    streams = [
        Sample(number, list(text), generator, TextStream(tokenizer, stop), ends)
        for number, generator in enumerate(generators(seed, samples))
    ]
    return _steps(predictor, streams, tokens, sampling or Sampling())


def complete(
    predictor: Predictor,
    tokenizer: Decoder,
    prompt_ids: Ids,
    tokens: int,
    sampling: Sampling | None = None,
    seed: int = 1,
    stop: Sequence[str] = (),
    samples: int = 1,
    past_end: bool = False,
) -> list[str]:
    """The whole text of each sample, without the prompt; as `generate`."""
    texts = [""] * samples
    for step in generate(predictor, tokenizer, prompt_ids, tokens, sampling, seed, stop, samples, past_end):
        texts[step.sample] += step.text
    return texts


def checked_prompt(vocab: int, tokenizer: Decoder, prompt_ids: Ids) -> list[int]:
    """A prompt's ids as a list. Raises `Error` as `generate` does."""
    ids = np.asarray(prompt_ids)
    if tokenizer.size != vocab:
        raise Error(
            f"the model knows {vocab} tokens and the tokenizer {tokenizer.size}; "
            "use the tokenizer that the model was trained with"
        )
    if ids.ndim != 1 or not ids.size:
        raise Error("a prompt needs at least one token, as a list of ids; to begin anywhere, give it a line break")
    if ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= vocab:
        raise Error(f"ids are whole numbers from 0 to {vocab - 1}; got {ids.min()} to {ids.max()}")
    return [int(token) for token in ids]


@dataclass
class Sample:
    """One text that is being written; one of the tokens `ends` ends it."""

    number: int
    ids: list[int]
    generator: torch.Generator
    stream: TextStream
    ends: frozenset[int]
    ended: bool = False

    def step(self, logits: Tensor, sampling: Sampling, number: int, is_last: bool) -> Step:
        """Choose the next token by its logits `[vocab]`."""
        choice = choose(logits, self.ids, sampling, self.generator)
        self.ids.append(choice.token)
        is_end = choice.token in self.ends
        text = "" if is_end else self.stream.push(choice.token)
        if is_end or is_last:
            text += self.stream.finish()
        end: End | None = "length" if is_last else None
        if is_end or self.stream.stopped:
            end = "end of text" if is_end else "stop"
        self.ended = end is not None
        return Step(self.number, number, choice, text, end)


def _steps(predictor: Predictor, samples: list[Sample], tokens: int, sampling: Sampling) -> Iterator[Step]:
    for number in range(tokens):
        if number == 0:
            logits = predictor.prefill(torch.tensor([sample.ids for sample in samples]))
        else:  # a text that has ended keeps its row, so that the others keep theirs
            logits = predictor.advance(torch.tensor([sample.ids[-1] for sample in samples]))
        logits = logits.cpu()
        for sample, row in zip(samples, logits, strict=True):
            if not sample.ended:
                yield sample.step(row, sampling, number, is_last=number == tokens - 1)
        if all(sample.ended for sample in samples):
            return
