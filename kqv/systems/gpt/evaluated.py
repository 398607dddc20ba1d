"""How well a GPT predicts a whole text."""

from __future__ import annotations

from kqv.data.location import location_of
from kqv.data.text.corpora import load_text
from kqv.data.text.tokens import tokenized
from kqv.errors import Error
from kqv.evaluation.text import score_text
from kqv.systems.gpt.trained import load_gpt_source
from kqv.systems.source import ModelSource
from kqv.systems.system import Evaluated, EvaluationAsked, Watcher
from kqv.training.devices import choose_device

LONGEST = 2048
"""Tokens of a window at most; models that were trained elsewhere may read a hundred thousand at once."""


def evaluate(source: ModelSource, asked: EvaluationAsked, watcher: Watcher) -> Evaluated:
    """Score a model on a text, every token once: a run's own held-out text, or any other.

    Raises `Error` for a model that is no run without `data`, and for texts too short.
    """
    split = "validation" if asked.split == "test" else asked.split  # a text has two: the model never saw that one
    data = asked.data
    if data is None:
        run = source.require_run("say with --data on which text to score it")
        data = run.recipe.data.name
    loaded, chosen = load_gpt_source(source, asked.best), choose_device(asked.device)
    corpus = load_text(location_of(data), watcher.downloading)
    with watcher.tokenizing() as advance:
        tokens = tokenized(corpus, loaded.tokenizer, advance)
    ids = tokens.train if split == "train" else tokens.validation
    if len(ids) < 2:
        raise Error(f"the {split} text has {len(ids)} tokens; at least 2 are needed")
    context = min(loaded.model.context, LONGEST)
    scores = score_text(loaded.model.to(chosen), ids, context, tokens.bytes_per_token, chosen)
    return Evaluated(
        {
            "data": corpus.name, "split": split, "tokens": scores.tokens, "loss": scores.loss,
            "perplexity": scores.perplexity, "bits_per_byte": scores.bits_per_byte,
        },
        f"{source.name} on {corpus.name}, {split}: loss {scores.loss:.4f} nats per token, perplexity "
        f"{scores.perplexity:.2f}, {scores.bits_per_byte:.3f} bits per byte ({scores.tokens:,} tokens in windows of "
        f"{context})",
    )  # fmt: skip
