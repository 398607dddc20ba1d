"""One traced pass of an adder on a sum: forward, backward, and the update that a training step would make."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from kqv.data.sums import Pairs, answer_at, held_out, numbers_of, pair_of
from kqv.errors import Error
from kqv.evaluation.sums import answer_logits, answers_of
from kqv.models.gpt import GPT
from kqv.operations import argmax
from kqv.recording import note
from kqv.systems.adder.trained import TOKENIZER, LoadedAdder, load_adder, text_of
from kqv.systems.source import ModelSource
from kqv.systems.system import TraceAsked, Traced, Watcher
from kqv.trace.trace import Trace
from kqv.training.optimizer_state import optimizer_of
from kqv.training.optimizers import Optimizer

MOST_SHOWN = 3
"""Digits up to which a page shows each number of a trace: of more there are tens of thousands."""


def trace_sum(model: GPT, ids: Tensor, optimizer: Optimizer | None = None, training: bool = False) -> Trace:
    """Trace an adder on the tokens `ids[position]` of one whole sum, whose digits it has to say.

    From the tokens to the digits, back from the cost to the embeddings, and with an optimizer the update.
    """
    read, answers = ids[None, :-1], answers_of(ids[None])  # cut before the trace, which would record that too
    with Trace(model, training=training) as trace:
        logits = answer_logits(model, read)
        note("verdict", argmax(logits), "batch position")
        torch.autograd.backward(model.loss(logits, answers))
    if optimizer is not None:
        trace.step(optimizer)
    return trace


def numbers_in(text: str) -> tuple[int, int]:
    """The two numbers of a sum as somebody writes it: `12+34`, with an `=` or without. Raises `Error` for others."""
    found = re.fullmatch(r"\s*([0-9]+)\s*\+\s*([0-9]+)\s*=?\s*", text)
    if found is None:
        raise Error(f"a sum is two whole numbers with a + between them, as in 12+34; got {text!r}")
    return int(found[1]), int(found[2])


def trace(source: ModelSource, asked: TraceAsked, watcher: Watcher) -> Traced:
    """Trace a run's adder on a sum such as `12+34`, or on the first that was held out.

    Raises `Error` for what is no sum, and for numbers of too many digits.
    """
    run = source.require_run("only runs of kqv train adder add")
    return read(source, load_adder(run), asked)


def read(source: ModelSource, loaded: LoadedAdder, asked: TraceAsked) -> Traced:
    """Trace a loaded adder on the sum `asked.input`, as `trace`; the update changes the model's weights."""
    if asked.label is not None:
        raise Error("--label says what a picture shows; the right digits of a sum are its own")
    run = source.require_run("only runs of kqv train adder add")
    pair = (
        held_out(1, loaded.digits, "test") if asked.input is None
        else pair_of(*numbers_in(asked.input), digits=loaded.digits)
    )  # fmt: skip
    recorded = trace_sum(
        loaded.model, torch.from_numpy(pair.tokens()[0]), optimizer_of(run, loaded.model), asked.training
    )
    first, second = int(numbers_of(pair.first)[0]), int(numbers_of(pair.second)[0])
    heading = _annotated(recorded, pair)
    begin = answer_at(loaded.digits)
    cells = f"--cell 'blocks.0.attention.scores[0,0,{begin},1]' --cell 'grad:tokens.weight[1,0]'"
    return Traced(
        recorded,
        heading,
        cells,
        f"{first}+{second}",
        everything=loaded.digits <= MOST_SHOWN,
        own_input="a sum that was held out",
    )


def _annotated(recorded: Trace, pair: Pairs) -> str:
    """Give positions and tokens their signs; say what the model writes for each digit."""
    text = text_of(pair)
    begin = answer_at(pair.digits)
    read, right = text[:-1], text[begin:]
    said = TOKENIZER.decode(recorded["verdict"].value[0].cpu().numpy())
    for dimension in ("position", "query", "key"):
        recorded.annotate(dimension=dimension, labels=list(read))
    recorded.annotate("targets", labels=list(right), dimension="position")
    recorded.annotate("verdict", labels=list(said))
    recorded.annotate(dimension="vocab", labels=[TOKENIZER.token_text(token) for token in range(TOKENIZER.size)])
    logits = recorded["logits"].value[0, begin - 1 :].double().cpu()
    probabilities = torch.softmax(logits, -1).amax(-1).tolist()
    carries = pair.sums()[1][0].tolist()
    first, second, total = (int(numbers_of(one)[0]) for one in (pair.first, pair.second, pair.sums()[0]))
    verdict = "which is right" if said == right else f"but right is {right}"
    lines = [
        f"{first} + {second} = {total}: the model reads {text[:begin]} (the ones first) and writes {said}, {verdict}",
        "  digit of   carry in   the model says        right is",
    ]
    for digit, (sign, probability) in enumerate(zip(said, probabilities, strict=True)):
        lines.append(
            f"  10^{digit:<6}   {carries[digit]:<8}   {sign}  ({100 * probability:5.1f} %)          {right[digit]}"
        )
    return "\n".join(lines)
