"""`kqv train gpt`: a GPT on any text."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from kqv.cli.options import Device, Json
from kqv.cli.train_options import (
    Batch,
    Compile,
    Dropout,
    Heads,
    LearningRate,
    Minutes,
    Optimizer,
    Out,
    Plot,
    Precision,
    Resume,
    Seed,
    Shard,
    Steps,
    TensorBoard,
    Width,
)  # fmt: skip
from kqv.cli.training import Shown, train_or_resume
from kqv.data.sets import TEXTS, listed

Data = Annotated[
    str | None,
    typer.Option(help=f"A text file, a folder of texts, or a named text: {listed(TEXTS)}."),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        help="What to train and how: gpt (default), nanogpt-cpu, shakespeare-fast, shakespeare-minute, "
        "shakespeare-best, shakespeare-large."
    ),
]
FromModel = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="MODEL",
        help="Start from a trained model, with its vocabulary: a run, a folder in Hugging Face's layout, a GGUF "
        "file, or a name on the hub.",
    ),
]  # fmt: skip
Vocabulary = Annotated[
    Literal["auto", "characters", "bytes", "bpe", "gpt2"] | None,
    typer.Option("--tokenizer", help="The tokenizer; without it, one that suits the text."),
]


Layers = Annotated[int | None, typer.Option(help="How many blocks.", min=1)]
Context = Annotated[int | None, typer.Option(help="Context length: how many tokens the model sees at once.", min=1)]


def gpt(
    data: Data = None, recipe: Recipe = None, tokenizer: Vocabulary = None, layers: Layers = None,
    heads: Heads = None, width: Width = None, context: Context = None, dropout: Dropout = None, batch: Batch = None,
    learning_rate: LearningRate = None, optimizer: Optimizer = None, steps: Steps = None, minutes: Minutes = None,
    seed: Seed = None, out: Out = None, resume: Resume = None, from_model: FromModel = None,
    precision: Precision = None, compile_model: Compile = False, device: Device = "auto", plot: Plot = None,
    tensorboard: TensorBoard = False, shard: Shard = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Train a GPT on any text; without --data on Python's language reference. Ctrl-C saves it and says how to
    resume."""
    from kqv.systems.changes import Changes
    from kqv.systems.system import Asked

    sizes: dict[str, Any] = {
        "tokenizer": tokenizer, "layers": layers, "heads": heads, "width": width, "context": context,
        "dropout": dropout, "batch": batch, "learning_rate": learning_rate, "optimizer": optimizer,
        "precision": precision, "compile": compile_model or None,
    }  # fmt: skip
    changes = Changes(data=data, seed=seed, steps=steps, **sizes)
    fresh = (recipe, out, from_model, seed, *sizes.values())
    shown = Shown(device, plot, tensorboard, as_json, shard)
    train_or_resume("gpt", Asked(recipe, changes, from_model, minutes), resume, out, fresh, shown)
