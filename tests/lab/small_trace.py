"""A small GPT's trace with all three phases, and with words, as the lab keeps it."""

from __future__ import annotations

import torch

from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.systems.gpt.traced import trace_text
from kqv.systems.system import Traced
from kqv.training.optimizers.adamw import AdamWOptimizer

WORDS = ["The", " pizza", " came", " out", " and", " it", " tasted"]


def trace_of_words(seed: int = 0) -> Traced:
    """A forward and a backward pass over seven words, and an AdamW step."""
    torch.manual_seed(seed)
    model = GPT(len(WORDS), Architecture(context=12, width=16, heads=2, blocks=2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    optimizer = AdamWOptimizer(model.named_parameters(), learning_rate=0.01, betas=(0.9, 0.95), weight_decay=0.1)
    trace = trace_text(model, torch.arange(len(WORDS)), optimizer)
    for dimension in ("position", "query", "key", "vocab"):
        trace.annotate(dimension=dimension, labels=WORDS)
    return Traced(trace, "seven words", "", " ".join(WORDS))
