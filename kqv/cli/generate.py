"""`kqv generate`: let a trained GPT write, from a prompt or in a conversation with the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kqv.cli.options import Device, Json, RunName

if TYPE_CHECKING:
    from kqv.data.text.tokenizers import Ids, Tokenizer
    from kqv.generation.generate import Step
    from kqv.generation.sampling import Sampling
    from kqv.training.gpt import LoadedGPT

SHOWN = 5  # candidates beside each token

Prompt = Annotated[str | None, typer.Option(help="What the text begins with; without it, you are asked.")]
Tokens = Annotated[int, typer.Option(help="How many tokens to write.", min=1)]
Temperature = Annotated[float, typer.Option(help="0: always the likeliest token; 1: as the model says.", min=0.0)]
TopK = Annotated[int | None, typer.Option(help="Choose among so many of the likeliest tokens.", min=1)]
TopP = Annotated[float | None, typer.Option(help="Choose among the likeliest tokens of this share together.")]
MinP = Annotated[float | None, typer.Option(help="Leave out what is less likely than this share of the likeliest.")]
Penalty = Annotated[float, typer.Option(help="Above 1, what was written already becomes less likely.")]
Stop = Annotated[list[str] | None, typer.Option(help="End before this text; may be repeated.", metavar="TEXT")]
Seed = Annotated[int, typer.Option(help="Seed of chance: the same seed writes the same text.", min=0)]
Samples = Annotated[int, typer.Option(help="How many texts.", min=1)]
Probabilities = Annotated[
    bool, typer.Option("--probabilities", help="Show what each token was chosen from, and how likely it was.")
]


def generate(
    run: RunName, prompt: Prompt = None, tokens: Tokens = 300, temperature: Temperature = 0.8, top_k: TopK = None,
    top_p: TopP = None, min_p: MinP = None, repetition_penalty: Penalty = 1.0, stop: Stop = None, seed: Seed = 1,
    samples: Samples = 1, probabilities: Probabilities = False, device: Device = "auto", as_json: Json = False,
) -> None:  # fmt: skip
    """Let a trained GPT write on from a prompt; without one it asks for them, until you leave with Ctrl-D."""
    from kqv.generation.sampling import Sampling
    from kqv.training.devices import choose_device
    from kqv.training.gpt import load_gpt
    from kqv.training.run import Run

    sampling = Sampling(temperature, top_k, top_p, min_p, repetition_penalty)
    found = Run.find(run)
    loaded = load_gpt(found)
    loaded.model.to(choose_device(device))
    for text in [prompt] if prompt is not None else _prompts():
        steps = _steps(loaded, text, tokens, sampling, seed, stop or [], samples)
        if as_json:
            sys.stdout.write(
                json.dumps({"run": str(found.path)} | _as_json(steps, text, samples, loaded.tokenizer)) + "\n"
            )
        elif probabilities:
            _show_choices(steps, loaded.tokenizer)
        elif samples == 1:
            _write(steps, text)
        else:
            _write_all(steps, text, samples)


def _prompts() -> Iterator[str]:
    """What is typed, line by line; what is piped in, as a whole."""
    if not sys.stdin.isatty():
        yield sys.stdin.read().removesuffix("\n")
        return
    while True:
        try:
            yield input("prompt> ")
        except EOFError:
            sys.stdout.write("\n")
            return


def _steps(
    loaded: LoadedGPT, prompt: str, tokens: int, sampling: Sampling, seed: int, stop: list[str], samples: int
) -> Iterator[Step]:
    from kqv.generation.generate import generate
    from kqv.generation.predictor import Cached

    ids = loaded.tokenizer.encode(prompt) if prompt else _beginning(loaded.tokenizer)
    return generate(Cached(loaded.model), loaded.tokenizer, ids, tokens, sampling, seed, stop, samples)


def _beginning(tokenizer: Tokenizer) -> Ids:
    """What a text without a prompt goes on from, since a model has to begin somewhere: a line break."""
    from kqv.errors import DataError

    try:
        return tokenizer.encode("\n")
    except DataError:  # a vocabulary of single lines
        return tokenizer.encode(tokenizer.token_text(0))


def _write(steps: Iterator[Step], prompt: str) -> None:
    """One text, as it comes."""
    sys.stdout.write(prompt)
    for step in steps:
        sys.stdout.write(step.text)
        sys.stdout.flush()
    sys.stdout.write("\n")


def _write_all(steps: Iterator[Step], prompt: str, samples: int) -> None:
    """Several texts, one after another."""
    from kqv.cli.console import console

    for number, text in enumerate(_texts(steps, samples), start=1):
        console.print(f"[bold]{number}[/]")
        sys.stdout.write(f"{prompt}{text}\n\n")


def _texts(steps: Iterator[Step], samples: int) -> list[str]:
    texts = [""] * samples
    for step in steps:
        texts[step.sample] += step.text
    return texts


def _show_choices(steps: Iterator[Step], tokenizer: Tokenizer) -> None:
    """Each token with the likeliest ones beside it: the model's probability, and that after the sampling's filters."""
    from rich.markup import escape

    from kqv.cli.console import console

    console.print("[dim]each token that was chosen, and among which: the model's probability → what sampling left[/]")
    for step in steps:
        shown = []
        for candidate in step.choice.top(SHOWN):
            name = escape(repr(tokenizer.token_text(candidate.token)))
            share = f"{100 * candidate.raw:.1f} → {100 * candidate.kept:.1f} %"
            shown.append(f"[bold green]{name} {share}[/]" if candidate.chosen else f"{name} [dim]{share}[/]")
        chosen = escape(repr(tokenizer.token_text(step.choice.token)))
        console.print(f"[bold]{step.number + 1:>4} {chosen:<12}[/] {' · '.join(shown)}", soft_wrap=True)


def _as_json(steps: Iterator[Step], prompt: str, samples: int, tokenizer: Tokenizer) -> dict[str, Any]:
    texts = [{"text": "", "tokens": []} for _ in range(samples)]  # type: list[dict[str, Any]]
    for step in steps:
        candidates = [
            {"token": tokenizer.token_text(c.token), "id": c.token, "probability": c.raw, "kept": c.kept}
            for c in step.choice.top(SHOWN)
        ]
        texts[step.sample]["text"] += step.text
        chosen = {"token": tokenizer.token_text(step.choice.token), "id": step.choice.token, "candidates": candidates}
        texts[step.sample]["tokens"].append(chosen)
    return {"prompt": prompt, "samples": texts}
