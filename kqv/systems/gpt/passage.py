"""A GPT and a text that it reads, to be asked why."""

from __future__ import annotations

import torch

from kqv.data.text.codec import Tokenizer
from kqv.errors import Error
from kqv.models.gpt import GPT
from kqv.trace.views.words import visible
from kqv.why.passage import Passage


def passage_of(model: GPT, tokenizer: Tokenizer, text: str) -> Passage:
    """A text as a GPT reads it. Raises `Error` for one without a token or longer than the context, `DataError` for
    unknown characters."""
    ids = tokenizer.encode_prompt(text)
    if not 1 <= len(ids) <= model.context:
        raise Error(f"the text has {len(ids):,} tokens; the model reads 1 to {model.context:,} at once (its context)")
    words = [visible(tokenizer.token_text(int(token))) for token in ids]
    given = torch.from_numpy(ids.astype("int64"))[None].to(model.tokens.weight.device)
    return Passage(
        model, (given,), lambda path, dimension: words, tokenizer, lambda other: passage_of(model, tokenizer, other)
    )  # fmt: skip
