"""`kqv train translate`: a Transformer on sentence pairs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from kqv.cli.options import Device, Json
from kqv.cli.train_options import (
    Compile,
    Dropout,
    From,
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
from kqv.data.sets import PARALLEL, listed
from kqv.errors import Error

Data = Annotated[
    str | None,
    typer.Option(
        metavar="DATA",
        help=f"Sentence pairs: a TSV, two files with a comma between (a.de,a.en), or a set: {listed(PARALLEL)}.",
    ),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        help="What to train and how: numbers-dates (default), multi30k-en-de, multi30k-de-en, translate (own pairs), "
        "base, big."
    ),
]
Source = Annotated[str | None, typer.Option(help="The language that is read, such as de.", metavar="LANGUAGE")]
Target = Annotated[str | None, typer.Option(help="The language that is written, such as en.", metavar="LANGUAGE")]
Form = Annotated[
    Literal["raw", "tokenised"] | None,
    typer.Option(help="Text as people write it, or already tokenised; multi30k has both."),
]
Vocabulary = Annotated[
    Literal["characters", "bytes", "bpe"] | None, typer.Option("--tokenizer", help="How sentences become tokens.")
]
Vocab = Annotated[int | None, typer.Option(help="How many tokens a vocabulary of byte pairs has.", min=1)]
BpeDropout = Annotated[
    float | None,
    typer.Option(
        "--bpe-dropout",
        help="Cut sentences anew in each epoch: with this probability a pair of tokens stays apart.", min=0, max=0.99,
    ),
]  # fmt: skip
RDrop = Annotated[
    float | None,
    typer.Option(
        "--r-drop", help="Read each pair twice; how much it costs that the two passes disagree.", min=0,
    ),
]  # fmt: skip
Teacher = Annotated[
    list[str] | None,
    typer.Option(
        metavar="RUN",
        help="Train on this run's translations of the training sentences, not on the data's; may be repeated.",
    ),
]
AlsoOriginals = Annotated[
    bool, typer.Option("--also-originals", help="With --teacher: train on the data's own translations too.")
]
Layers = Annotated[int | None, typer.Option(help="How many blocks encoder and decoder have each.", min=1)]
Context = Annotated[int | None, typer.Option(help="How many tokens a sentence has at most.", min=1)]
Tokens = Annotated[int | None, typer.Option("--batch", help="Batch size: up to so many tokens on each side.", min=1)]


def translate(
    data: Data = None, recipe: Recipe = None, source: Source = None, target: Target = None, form: Form = None,
    tokenizer: Vocabulary = None, vocab: Vocab = None, layers: Layers = None, heads: Heads = None,
    bpe_dropout: BpeDropout = None, r_drop: RDrop = None, teacher: Teacher = None,
    also_originals: AlsoOriginals = False,
    width: Width = None, context: Context = None, dropout: Dropout = None, batch: Tokens = None,
    learning_rate: LearningRate = None, optimizer: Optimizer = None, steps: Steps = None, minutes: Minutes = None,
    seed: Seed = None, out: Out = None, resume: Resume = None, from_run: From = None, precision: Precision = None,
    compile_model: Compile = False, device: Device = "auto", plot: Plot = None, tensorboard: TensorBoard = False,
    shard: Shard = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Train a Transformer to translate; without --data German numbers and dates into English. Ctrl-C saves it and says
    how to resume."""
    from kqv.systems.changes import Changes
    from kqv.systems.system import Asked

    if also_originals and not teacher:
        raise Error("--also-originals adds the data's own translations to those of a teacher; give --teacher RUN")
    sizes: dict[str, Any] = {
        "source": source, "target": target, "form": form, "tokenizer": tokenizer, "vocab": vocab, "layers": layers,
        "heads": heads, "width": width, "context": context, "dropout": dropout, "batch": batch,
        "learning_rate": learning_rate, "optimizer": optimizer, "precision": precision,
        "compile": compile_model or None, "bpe_dropout": bpe_dropout, "r_drop": r_drop,
        "teacher": {"teachers": teacher, "also_originals": also_originals} if teacher else None,
    }  # fmt: skip
    changes = Changes(data=data, seed=seed, steps=steps, **sizes)
    fresh = (recipe, out, from_run, seed, *sizes.values())
    shown = Shown(device, plot, tensorboard, as_json, shard)
    train_or_resume("translate", Asked(recipe, changes, from_run, minutes), resume, out, fresh, shown)
