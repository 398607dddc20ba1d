"""`kqv evaluate` of a run of texts: loss, perplexity and bits per byte over the whole validation text."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from kqv.errors import Error

if TYPE_CHECKING:
    from kqv.training.run import Run


def evaluate_text(
    run: Run, data: str | None, split: str, device: str, as_json: bool, best: bool = False
) -> None:  # fmt: skip
    """Score a GPT on a whole text, every token once; print it for people or as JSON. `best`: with the weights of its
    lowest validation loss."""
    from kqv.cli.texts import load_text_with_progress, tokenized_with_progress
    from kqv.cli.training import place_of
    from kqv.evaluation import score_text
    from kqv.training.devices import choose_device
    from kqv.training.gpt import load_gpt

    if split == "test":
        split = "validation"  # a text is parted in two: what the model never saw is the validation text
    loaded, chosen = load_gpt(run, best), choose_device(device)
    corpus = load_text_with_progress(place_of(data or run.recipe.data.name))
    tokens = tokenized_with_progress(corpus, loaded.tokenizer)
    ids = tokens.train if split == "train" else tokens.validation
    if len(ids) < 2:
        raise Error(f"the {split} text has {len(ids)} tokens; at least 2 are needed")
    context = loaded.model.context
    scores = score_text(loaded.model.to(chosen), ids, context, tokens.bytes_per_token, chosen)
    if as_json:
        content = {
            "run": str(run.path), "data": corpus.name, "split": split, "tokens": scores.tokens, "loss": scores.loss,
            "perplexity": scores.perplexity, "bits_per_byte": scores.bits_per_byte,
        }  # fmt: skip
        sys.stdout.write(json.dumps(content) + "\n")
        return
    from rich.markup import escape

    from kqv.cli.console import console

    console.print(
        f"{escape(str(run.path))} on {escape(corpus.name)}, {split}: loss [bold]{scores.loss:.4f}[/] nats for each "
        f"token, perplexity {scores.perplexity:.2f}, {scores.bits_per_byte:.3f} bits per byte "
        f"({scores.tokens:,} tokens in windows of {context})"
    )
