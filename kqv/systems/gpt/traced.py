"""One traced pass of a GPT on a text: forward, backward, and the update that a training step would make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial

import torch
from torch import Tensor

from kqv.data.text.codec import Ids, Tokenizer
from kqv.data.text.corpora import load_text
from kqv.errors import Error
from kqv.memory import own_memory
from kqv.models.gpt import GPT
from kqv.operations import argmax
from kqv.recording import note
from kqv.systems.gpt.trained import LoadedGPT, load_gpt, load_gpt_source
from kqv.systems.source import ModelSource
from kqv.systems.system import TraceAsked, Traced, Watcher
from kqv.trace.memory import bytes_expected
from kqv.trace.trace import Trace
from kqv.trace.views.words import visible
from kqv.trace.window import Window, trace_for
from kqv.training.optimizer_state import optimizer_of
from kqv.training.optimizers import Optimizer
from kqv.training.run import Run

MOST_NAMED = 300_000  # tokens up to which each is named beside its logit
LONG = 128  # tokens from which on it is said beforehand how much memory a trace takes
UPDATE = (
    5  # the gradient used, what is remembered of it twice, the weight before and after, each as large as the weights
)
MOST_SHOWN = 16  # tokens of a text beside which stands what the model expects


def trace_text(
    model: GPT, ids: Tensor, optimizer: Optimizer | None = None, training: bool = False, backward: bool = True,
    window: Window | None = None,
) -> Trace:  # fmt: skip
    """Trace a GPT on the tokens `ids[position]` of one text: each but the last is to say the token after it.

    From the ids to what may come next, with `backward` back from the cost to the embeddings, and with an optimizer the
    update. The last token is read too, unless the context ends before it: `next` is what the model says after the whole
    text.
    """
    given, targets = ids[None, : model.context], ids[None, 1:]  # cut before the trace, which would record that too
    with torch.set_grad_enabled(backward), Trace(model, training, window) as trace:
        logits = model(given)
        predicted = logits
        if given.shape != targets.shape:
            predicted = logits[:, :-1]
            note("next", argmax(logits[:, -1]), "batch")
        note("verdict", argmax(predicted), "batch position")
        cost = model.loss(predicted, targets)
        if backward:
            torch.autograd.backward(cost)
    if optimizer is not None and backward and window is None:
        trace.step(optimizer)
    return trace


def load_text_for_tracing(run: Run) -> tuple[LoadedGPT, Optimizer]:
    """A run's GPT with its vocabulary, and its optimizer as `load_for_tracing`."""
    loaded = load_gpt(run)
    return loaded, optimizer_of(run, loaded.model)


def trace(source: ModelSource, asked: TraceAsked, watcher: Watcher) -> Traced:
    """Trace a model on a text: `asked.input`, or of a run the beginning of its held-out text.

    A run is traced with the update that it would make; a model of files has no optimizer.
    Raises `Error` for a label, and for a text that is too short or longer than the context.
    """
    loaded = load_gpt_source(source)
    text = asked.input if asked.input is not None else _beginning(source, loaded.tokenizer, watcher)
    return read(source, loaded, replace(asked, input=text), watcher)


def read(source: ModelSource, loaded: LoadedGPT, asked: TraceAsked, watcher: Watcher | None = None) -> Traced:
    """Trace a loaded model on the text `asked.input`, as `trace`; the update changes the model's weights."""
    if asked.label is not None:
        raise Error("--label says what a picture shows; the right next tokens of a text are its own")
    optimizer = optimizer_of(source.run, loaded.model) if source.run is not None and asked.backward else None
    text = asked.input or ""
    ids = loaded.tokenizer.encode_prompt(text)
    most = loaded.model.context + 1
    if not 2 <= len(ids) <= most:
        advice = f"leave out at least {len(ids) - most:,}" if len(ids) > most else "give a longer text"
        raise Error(
            f"a traced text has 2 to {most:,} tokens (the context, and one to predict), but this one has {len(ids):,}; "
            f"{advice}"
        )
    recorded, heading = _recorded(loaded, ids, optimizer, asked, watcher or Watcher())
    last = len(ids) - 2
    cells = f"--cell 'blocks.0.attention.scores[0,0,{last},0]' --cell 'grad:tokens.weight[{ids[0]},3]'"
    return Traced(recorded, heading, cells, text, folds=True)


def _recorded(
    loaded: LoadedGPT, ids: Ids, optimizer: Optimizer | None, asked: TraceAsked, watcher: Watcher
) -> tuple[Trace, str]:
    """The trace with its words, and what is to be said of it. Of single cells as little is recorded as they need."""
    model, tokens, heading = loaded.model, torch.from_numpy(ids.astype("int64")), ""

    def trace_in(window: Window | None) -> Trace:
        nonlocal heading
        backward = asked.backward and (window is None or window.backward)
        trace_of = partial(trace_text, model, training=asked.training, backward=backward, window=window)
        if len(ids) >= LONG:
            _say_what_it_takes(trace_of, tokens, optimizer, window is None, watcher)
        recorded = trace_of(tokens, optimizer)
        heading = _annotated(recorded, ids, loaded.tokenizer)
        return recorded

    return trace_for(asked.cells, model, trace_in), heading


def _say_what_it_takes(
    trace_of: Callable[[Tensor], Trace], tokens: Tensor, optimizer: Optimizer | None, whole: bool, watcher: Watcher
) -> None:
    """Tell the watcher how much memory a trace will hold; raise `Error` where that is more than the machine has."""
    size = bytes_expected(lambda count: trace_of(tokens[:count]), len(tokens))
    if optimizer is not None and whole:
        size += UPDATE * sum(parameter.nbytes for parameter in optimizer.parameters())
    most = own_memory()
    if most is not None and size > most:
        raise Error(
            f"a trace of {len(tokens):,} tokens takes about {size / 1e9:,.1f} GB of memory, but this machine has "
            f"{most / 1e9:,.1f} GB; trace a shorter text, or one number alone, by --cell"
        )
    watcher.tracing(size, whole)


def _annotated(recorded: Trace, ids: Ids, tokenizer: Tokenizer) -> str:
    """Give positions and tokens their words; say what the model expects after each token."""
    tokens = [visible(tokenizer.token_text(int(token))) for token in ids]
    logits = recorded["logits"].value[0].cpu()
    said = [visible(tokenizer.token_text(int(token))) for token in logits.argmax(-1)]
    for dimension in ("position", "query", "key"):
        recorded.annotate(dimension=dimension, labels=tokens[: len(said)])
    recorded.annotate("targets", labels=tokens[1:], dimension="position")
    recorded.annotate("verdict", labels=said[: len(tokens) - 1])
    if "next" in recorded:
        recorded.annotate("next", labels=said[-1:])
    if tokenizer.size <= MOST_NAMED:
        recorded.annotate(dimension="vocab", labels=_vocabulary(tokenizer))
    return _expected(tokens, said, logits, ids)


@lru_cache(maxsize=4)
def _vocabulary(tokenizer: Tokenizer) -> tuple[str, ...]:
    """The words of all tokens; kept, since of a large vocabulary they take longer than a pass."""
    return tuple(visible(tokenizer.token_text(token)) for token in range(tokenizer.size))


def _expected(tokens: list[str], said: list[str], logits: Tensor, ids: Ids) -> str:
    """What the model expects after each of the last tokens with which probability, and the right token's."""
    rows = [("after", "the model says", "", "right is", "")]
    skipped = max(0, len(said) - MOST_SHOWN)
    probabilities = torch.softmax(logits[skipped:].double(), -1)
    for at, (own, likeliest) in enumerate(zip(probabilities, probabilities.amax(-1).tolist(), strict=True), skipped):
        right = ("", "") if at + 1 == len(ids) else (tokens[at + 1], f"{100 * float(own[int(ids[at + 1])]):.1f} %")
        rows.append((tokens[at], said[at], f"{100 * likeliest:.1f} %", *right))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        f"  {a:<{widths[0]}}   {b:<{widths[1]}} {c:>{widths[2]}}   {d:<{widths[3]}} {e:>{widths[4]}}".rstrip()
        for a, b, c, d, e in rows
    ]
    if skipped:
        lines.insert(1, f"  … {skipped} before these")
    return "\n".join([f"{len(tokens)} tokens, each but the last has to say the one after it:", *lines])


def _beginning(source: ModelSource, tokenizer: Tokenizer, watcher: Watcher) -> str:
    """The first few tokens of the text that was held out."""
    run = source.require_run("say which text to trace: kqv trace MODEL TEXT")
    text = load_text(run.recipe.data.name, watcher.downloading).validation
    return str(tokenizer.decode(tokenizer.encode(text[:200])[:12]))
