"""`kqv trace`: every tensor of one pass, and the arithmetic of any number."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kqv.cli.options import RunName
from kqv.errors import Error

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from kqv.data.text.tokenizers import Tokenizer
    from kqv.trace.trace import Trace
    from kqv.training.run import Run

MOST_NAMED = 512  # tokens up to which each is named beside its logit
MOST_SHOWN = 16  # tokens of a text beside which stands what the model expects
SIGNS = {ord(" "): "␣", ord("\n"): "⏎", ord("\t"): "⇥", ord("\r"): "␍"}

Input = Annotated[
    str | None,
    typer.Argument(
        metavar="INPUT", help="Digits: a picture file, or the number of a test picture (default: 0). GPT: a text."
    ),
]
Label = Annotated[str | None, typer.Option(help="The right class of a picture file; default: what the model says.")]
Cells = Annotated[
    list[str] | None,
    typer.Option(
        "--cell", metavar="CELL", help="Explain one number: layers.1.z[0,7], grad:… or update:…; may be repeated."
    ),
]
Html = Annotated[Path | None, typer.Option(metavar="FILE", help="Write one self-contained page.")]
JsonFolder = Annotated[Path | None, typer.Option("--json", metavar="DIR", help="Write JSON with safetensors.")]
All = Annotated[bool, typer.Option("--all", help="Of a GPT's blocks, which are alike, show every one.")]
Training = Annotated[bool, typer.Option("--training", help="Trace in training mode, with its dropout masks.")]


def trace(
    run: RunName, input: Input = None, label: Label = None, cell: Cells = None, html: Html = None,
    json: JsonFolder = None, training: Training = False, all_blocks: All = False,
) -> None:  # fmt: skip
    """Show every tensor of a pass, forward, backward and update, with its dimensions, formula and line of code."""
    from kqv.cli.console import console
    from kqv.training.run import Run

    found = Run.find(run)
    command = shlex.join(["kqv", "trace", str(found.path), *([] if input is None else [input])])
    if found.recipe.system == "gpt":
        if label is not None:
            raise Error("--label says what a picture shows; a text's next tokens are its own")
        recorded, heading, example = _text_traced(found, input, training)
    else:
        recorded, heading, example = _picture_traced(found, input, label, training)
    if html is not None:
        from kqv.trace.views.page import write_html

        write_html(recorded, html, command=command)
        console.print(f"wrote {html}")
    if json is not None:
        from kqv.trace.views.export import write_json

        write_json(recorded, json)
        console.print(f"wrote {json}")
    for text in cell or []:
        console.print(recorded.cell(text).text(), markup=False)
    if cell or html is not None or json is not None:
        return
    is_text = found.recipe.system == "gpt"
    parts = [heading, recorded.table(fold=is_text and not all_blocks) + ("\n" if is_text else "")]
    for part in reversed(parts) if is_text else parts:  # what is said of a text stands after its long table
        console.print(part, markup=False)
    console.print(f"\nany number: {command} {example}", markup=False)
    if is_text and not all_blocks:
        console.print(f"all blocks: {command} --all", markup=False)


def _picture_traced(found: Run, input: str | None, label: str | None, training: bool) -> tuple[Trace, str, str]:
    """The trace of a picture, what is said of it, and cells to look at."""
    import torch

    from kqv.cli.drawing import drawn
    from kqv.training.tracing import as_batch, load_for_tracing, trace_pictures

    model, optimizer = load_for_tracing(found)
    picture, known, origin = _picture(found, input)
    wanted = known if label is None else _place(label, model.classes)
    said = model.classify(torch.from_numpy(picture).unsqueeze(0))[0]
    pictures, labels = as_batch(torch.from_numpy(picture), said.place if wanted is None else wanted)
    recorded = trace_pictures(model, pictures, labels, optimizer, training)
    recorded.annotate(dimension="class", labels=model.classes)
    recorded.annotate("verdict", labels=[said.label])
    recorded.annotate(
        "labels", labels=[model.classes[int(labels)]], text="" if wanted is not None else "as the model says"
    )
    recorded.annotate("pixels", text=origin)
    truth = "nobody said what it is" if wanted is None else f"it is {model.classes[wanted]}"
    heading = f"{origin}: the model says {said.label} ({100 * said.confidence:.1f} %); {truth}\n{drawn(picture)}"
    layer = next(name for name, _ in model.named_modules() if name.startswith("layers."))
    return recorded, heading, f"--cell '{layer}.z[0,7]' --cell 'grad:{layer}.weight[7,30]'"


def _text_traced(found: Run, input: str | None, training: bool) -> tuple[Trace, str, str]:
    """The trace of a text, what the model expects after each token, and cells to look at."""
    import torch

    from kqv.training.tracing import load_text_for_tracing, trace_text

    loaded, optimizer = load_text_for_tracing(found)
    text = input if input is not None else _beginning(found, loaded.tokenizer)
    ids = loaded.tokenizer.encode(text)
    most = loaded.model.context + 1
    if not 2 <= len(ids) <= most:
        advice = f"leave out at least {len(ids) - most:,}" if len(ids) > most else "give a longer text"
        raise Error(
            f"a traced text has 2 to {most:,} tokens (the context, and one to predict), but this one has {len(ids):,}; "
            f"{advice}"
        )
    recorded = trace_text(loaded.model, torch.from_numpy(ids.astype("int64")), optimizer, training)
    tokens = [_visible(loaded.tokenizer.token_text(int(token))) for token in ids]
    shares = torch.softmax(recorded["logits"].value[0].double().cpu(), -1)
    said = [_visible(loaded.tokenizer.token_text(int(token))) for token in shares.argmax(-1)]
    for dimension in ("position", "query", "key"):
        recorded.annotate(dimension=dimension, labels=tokens[:-1])
    recorded.annotate("targets", labels=tokens[1:], dimension="position")
    recorded.annotate("verdict", labels=said)
    if loaded.tokenizer.size <= MOST_NAMED:
        vocabulary = [_visible(loaded.tokenizer.token_text(token)) for token in range(loaded.tokenizer.size)]
        recorded.annotate(dimension="vocab", labels=vocabulary)
    right = [float(share) for share in shares.gather(1, torch.from_numpy(ids[1:, None].astype("int64")))]
    last = len(ids) - 2
    cells = f"--cell 'blocks.0.attention.scores[0,0,{last},0]' --cell 'grad:tokens.weight[{ids[0]},3]'"
    return recorded, _expected(tokens, said, [float(share) for share in shares.amax(-1)], right), cells


def _expected(tokens: list[str], said: list[str], shares: list[float], right: list[float]) -> str:
    """What the model says after each token with which share of its belief, and how much the right token has."""
    rows = [("after", "the model says", "", "right is", "")]
    rows += [
        (token, guess, f"{100 * share:.1f} %", target, f"{100 * wanted:.1f} %")
        for token, guess, share, target, wanted in zip(tokens, said, shares, tokens[1:], right, strict=False)
    ]
    skipped = max(0, len(rows) - 1 - MOST_SHOWN)
    rows[1 : 1 + skipped] = []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        f"  {a:<{widths[0]}}   {b:<{widths[1]}} {c:>{widths[2]}}   {d:<{widths[3]}} {e:>{widths[4]}}".rstrip()
        for a, b, c, d, e in rows
    ]
    if skipped:
        lines.insert(1, f"  … {skipped} before these")
    return "\n".join([f"{len(tokens)} tokens, each but the last has to say the one after it:", *lines])


def _visible(token: str) -> str:
    """A token with signs for the white space in it."""
    return token.translate(SIGNS)


def _beginning(found: Run, tokenizer: Tokenizer) -> str:
    """The first few tokens of the text that was held out."""
    from kqv.cli.texts import load_text_with_progress

    text = load_text_with_progress(found.recipe.data.name).validation
    return str(tokenizer.decode(tokenizer.encode(text[:200])[:12]))


def _place(label: str, classes: tuple[str, ...]) -> int:
    if label not in classes:
        raise Error(f"the run knows no class {label!r}; it has: {', '.join(classes)}")
    return classes.index(label)


def _picture(run: Run, given: str | None) -> tuple[npt.NDArray[np.uint8], int | None, str]:
    """The picture `[row, column]`, its right class's place where the data tells it, and where it is from."""
    classes = run.classes
    shape = (classes["rows"], classes["columns"])
    number = given or "0"
    if not number.isdigit() or Path(number).exists():
        from kqv.data.pictures import prepare_picture

        return prepare_picture(number, shape), None, number
    from kqv.cli.pictures import load_digits_with_progress

    test = load_digits_with_progress(run.recipe.data.name).test
    if int(number) >= len(test):
        raise Error(f"there is no test picture {number}; {run.recipe.data.name} has 0 to {len(test) - 1}")
    return test.pixels[int(number)], int(test.labels[int(number)]), f"test picture {number} of {run.recipe.data.name}"
