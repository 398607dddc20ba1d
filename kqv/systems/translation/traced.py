"""One traced pass of a translator: forward, backward, and the update that a training step would make."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from kqv.data.parallel.sentences import BEGIN, Sentences
from kqv.errors import Error
from kqv.models.transformer import Transformer
from kqv.operations import argmax
from kqv.recording import note
from kqv.systems.source import ModelSource, run_source
from kqv.systems.system import TraceAsked, Traced, Watcher
from kqv.systems.translation.planned import load as load_pairs
from kqv.systems.translation.task import PADDING, Batch, batch_of
from kqv.systems.translation.trained import LoadedTranslator, load
from kqv.systems.translation.vocabularies import Vocabularies
from kqv.trace.trace import Trace
from kqv.trace.views.words import visible
from kqv.training.optimizer_state import optimizer_of
from kqv.training.optimizers import Optimizer


def trace_batch(
    model: Transformer, batch: Batch, smoothing: float = 0.0, optimizer: Optimizer | None = None, training: bool = False
) -> Trace:
    """Trace a translator on a batch: the source is read, and each position of the target has to say the next token.

    From the ids to the logits, back from the cost through decoder, cross-attention and encoder, and with an optimizer
    the update.
    """
    with Trace(model, training=training) as trace:
        logits = model(batch.source, batch.given, batch.present)
        note("verdict", argmax(logits), "batch position")
        torch.autograd.backward(model.loss(logits, batch.targets, PADDING, smoothing))
    if optimizer is not None:
        trace.step(optimizer)
    return trace


@dataclass(frozen=True)
class Words:
    """The tokens of a traced pair: of the source, those that the decoder reads, and those that it has to say."""

    source: list[str]
    given: list[str]
    targets: list[str]


def trace_translation(
    loaded: LoadedTranslator, sentence: str, translation: str, optimizer: Optimizer | None = None,
    training: bool = False,
) -> tuple[Trace, Words]:  # fmt: skip
    """Trace a sentence and a translation of it, with words at the positions. Raises `Error` for a sentence that is
    empty, too long, or not in the vocabulary."""
    vocabularies, model = loaded.vocabularies, loaded.model
    source, target = vocabularies.source.encode(sentence), vocabularies.target.encode(translation)
    for what, ids in (("sentence", source), ("translation", target)):
        if not 2 <= len(ids) <= model.context:
            raise Error(f"a traced {what} has 2 to {model.context:,} tokens, but this one has {len(ids):,}")
    batch = batch_of([(source, target)], model.tokens.weight.device)
    trace = trace_batch(model, batch, loaded.recipe.loss.smoothing, optimizer, training)
    words = Words(
        _words(vocabularies.source, source), _words(vocabularies.target, np.append(BEGIN, target[:-1])),
        _words(vocabularies.target, target),
    )  # fmt: skip
    _annotate(trace, words, vocabularies)
    return trace, words


def _words(sentences: Sentences, ids: object) -> list[str]:
    return [visible(sentences.token_text(int(token))) for token in np.asarray(ids)]


MOST_NAMED = 300_000  # tokens up to which each is named beside its logit


def _annotate(trace: Trace, words: Words, vocabularies: Vocabularies) -> None:
    """Give positions and tokens their words: the encoder's are the source's, and so are the keys of cross-attention."""
    for record in trace.tensors:
        reads_source = record.name.startswith("encoder.") or "source" in record.dimensions
        for dimension in ("source", "position", "query", "key"):
            if dimension in record.dimensions:
                crosses = dimension == "key" and ".cross_attention." in record.name
                labels = words.source if reads_source or crosses else words.given
                if record.sizes[record.dimensions.index(dimension)] == len(labels):
                    trace.annotate(record.name, dimension=dimension, labels=labels)
    trace.annotate("targets", labels=words.targets, dimension="position")
    if vocabularies.target.size <= MOST_NAMED:
        names = [visible(vocabularies.target.token_text(token)) for token in range(vocabularies.target.size)]
        trace.annotate(dimension="vocab", labels=names)


def trace(source: ModelSource, asked: TraceAsked, watcher: Watcher) -> Traced:
    """Trace a run on a sentence, `asked.input`, or the first validation pair; `asked.label` is the right translation.

    Without one the model's own translation is taken. A run is traced with the update that it would make next.
    """
    run = source.require_run("only runs translate")
    loaded = load(source, False)
    if asked.input is None:
        sentence, known = load_pairs(loaded.recipe.data, watcher).validation[0]
        asked = replace(asked, input=sentence, label=known if asked.label is None else asked.label)
    return read(run_source(run), loaded, asked)


def read(source: ModelSource, loaded: LoadedTranslator, asked: TraceAsked) -> Traced:
    """Trace a loaded translator on the sentence `asked.input`, as `trace`; the update changes the model's weights."""
    optimizer = optimizer_of(source.require_run("only runs translate"), loaded.model)
    sentence, right = asked.input or "", asked.label
    own = loaded.translate(sentence)
    recorded, words = trace_translation(loaded, sentence, own if right is None else right, optimizer, asked.training)
    said = recorded["logits"].value[0].double().cpu()
    recorded.annotate("verdict", labels=_words(loaded.vocabularies.target, said.argmax(-1)))
    last = len(words.given) - 1
    cells = f"--cell 'decoder.blocks.0.cross_attention.scores[0,0,{last},0]' --cell 'grad:tokens.weight[2,3]'"
    heading = [f"{sentence}", f"  the model translates: {own}"]
    if right is not None and right != own:
        heading.append(f"  right is:             {right}")
    heading.append(_expected(words, said, loaded))
    return Traced(recorded, "\n".join(heading), cells, sentence, folds=True)


MOST_SHOWN = 16  # tokens beside which stands what the model expects


def _expected(words: Words, logits: torch.Tensor, loaded: LoadedTranslator) -> str:
    """What the model expects after each token with which probability, and the right token's."""
    probabilities = torch.softmax(logits, -1)
    best, at = probabilities.max(-1)
    said = _words(loaded.vocabularies.target, at)
    rows = [("after", "the model says", "")]
    rows += [
        (token, guess, f"{100 * probability:.1f} %")
        for token, guess, probability in zip(words.given, said, best.tolist(), strict=True)
    ]
    skipped = max(0, len(rows) - 1 - MOST_SHOWN)
    rows[1 : 1 + skipped] = []
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"  {a:<{widths[0]}}   {b:<{widths[1]}} {c:>{widths[2]}}".rstrip() for a, b, c in rows]
    if skipped:
        lines.insert(1, f"  … {skipped} before these")
    return "\n".join(lines)
