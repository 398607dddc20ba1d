"""The tour's third stage: a GPT learns to write from Python's language reference, and writes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from kqv.cli.console import console, counted, say_commands
from kqv.cli.progress import TrainingDisplay, waiting
from kqv.cli.tour_display import heading, show_shapes
from kqv.data.text.corpora import load_text
from kqv.generation.sampling import Sampling
from kqv.systems.gpt.recipes import gpt
from kqv.systems.gpt.start import start
from kqv.systems.gpt.traced import trace_text
from kqv.systems.gpt.trained import load_gpt
from kqv.training.devices import choose_device
from kqv.training.run import Run, new_path

if TYPE_CHECKING:
    from kqv.trace.trace import Trace

MINUTES = 0.75
PROMPT = "The statement "
WRITTEN = 400  # characters

SHOWN = {
    "ids": "characters, by their numbers",
    "token_vectors": "a learned row for each",
    "blocks.0.attention.queries": "what each position looks for",
    "blocks.0.attention.keys": "what each position is found by",
    "blocks.0.attention.scores": "how well they match: q·k/√channels",
    "blocks.0.attention.weights": "softmax: they add up to 1, none for later positions",
    "blocks.0.attention.values": "what each position passes on",
    "blocks.0.attention.mixed": "the values, mixed by the weights",
    "logits": "for each position: one number for each character that may follow",
    "cost": "surprise at the characters that do follow",
}
"""Tensors of the pass that the tour shows, with what they are."""


def stage() -> Run:
    """Train on the embedded Python reference for less than a minute, let it write, and show attention's shapes."""
    heading("10", "From translating to writing")
    with waiting("reading Python's language reference"):
        corpus = load_text("python-docs")
    console.print(
        "A GPT is a decoder alone: nothing to translate, it continues what stands there. What it learns from:\n"
    )
    console.print(_excerpt(corpus.validation), markup=False, style="dim", highlight=False)
    console.print(f"\n{corpus.describe().splitlines()[0].split('; ')[0]}: Python's language reference.")

    display = TrainingDisplay(unit="tokens")
    recipe = gpt(corpus.size)
    training = recipe.training.model_copy(update={"sample_tokens": 0})
    with waiting(f"measuring how many steps fit into {60 * MINUTES:.0f} seconds"):
        run, trainer = start(
            recipe.model_copy(update={"training": training}), corpus, new_path("tour-gpt"), choose_device("cpu"),
            minutes=MINUTES, listener=display,
        )  # fmt: skip

    heading("11", "Queries, keys, values, and their shapes")
    console.print(
        "Each position of the text asks the positions before it, and takes from those whose key meets its query.\n"
    )
    show_shapes(_traced(run), SHOWN)

    heading("12", "Learning to predict what comes next")
    console.print(
        f"{counted(trainer.steps, 'step')} of {trainer.task.size(0):,} characters, in about {60 * MINUTES:.0f} seconds."
    )
    with waiting("writing with random weights"):
        before = _written(run)
    console.print(f"Before: {before!r}\n", markup=False, style="dim", highlight=False)
    with display:
        result = trainer.train()
    console.print(
        f"{counted(result.step, 'step')} in {result.seconds:.1f} s; the next character of unseen text costs it "
        f"{result.scores['loss']:.2f} nats, where guessing costs {math.log(load_gpt(run).model.vocab):.2f}."
    )

    heading("13", "It writes")
    with waiting("writing"):
        text = _written(run, WRITTEN)
    console.print(text, markup=False, highlight=False)
    _next(run)
    return run


def _excerpt(text: str, lines: int = 6) -> str:
    """The first lines of a text that are not empty."""
    return "\n".join([line for line in text.splitlines() if line.strip()][:lines]) + "\n…"


def _traced(run: Run) -> Trace:
    loaded = load_gpt(run)
    return trace_text(loaded.model, torch.from_numpy(loaded.tokenizer.encode(PROMPT)).long())


def _written(run: Run, tokens: int = 60) -> str:
    """What the run's model writes after the prompt."""
    return PROMPT + load_gpt(run).generate(PROMPT, tokens, sampling=Sampling(temperature=0.7))


def _next(run: Run) -> None:
    heading("→", "What to try next")
    say_commands({
        f"kqv generate {run.path}": "let it continue what you type",
        f"kqv generate {run.path} --prompt 'def ' --probabilities": "and see each character's candidates",
        f"kqv trace {run.path} '{PROMPT.strip()}'": "every tensor, forward and backward",
        "kqv train gpt --data my-text.txt": "a GPT on your own text",
    })  # fmt: skip
