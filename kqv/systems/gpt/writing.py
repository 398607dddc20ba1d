"""A GPT that continues a text, token by token."""

from __future__ import annotations

from kqv.data.text.tokenizers import Ids, Tokenizer
from kqv.errors import DataError
from kqv.generation.generate import Step, generate
from kqv.generation.predictor import predictor_of
from kqv.systems.gpt.trained import LoadedGPT
from kqv.systems.writing import Tell, Writing, Written

SHOWN = 5
"""Candidates beside each token."""


def write(loaded: LoadedGPT, text: str, how: Writing, tell: Tell) -> str:
    """What a GPT writes after a text. Raises `DataError` for characters that its vocabulary does not have."""
    ids = prompt_ids(loaded.tokenizer, text)
    found = ""
    for step in generate(predictor_of(loaded.model), loaded.tokenizer, ids, how.tokens, how.sampling, how.seed):
        found += step.text
        tell(written(step))
    return found


def written(step: Step) -> Written:
    """A step of generation as it is told."""
    return Written(step.text, token=step.choice.token, candidates=tuple(step.choice.top(SHOWN)), end=step.end)


def prompt_ids(tokenizer: Tokenizer, prompt: str) -> Ids:
    """The tokens of a prompt; of one without a token a line break's, since a model needs at least one."""
    ids = tokenizer.encode_prompt(prompt)
    if len(ids):
        return ids
    try:
        return tokenizer.encode("\n")
    except DataError:  # a vocabulary of single lines
        return tokenizer.encode(tokenizer.token_text(0))
