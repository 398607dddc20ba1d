"""`kqv generate`: let a trained GPT write, from a prompt or in a conversation with the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kqv.cli.console import console, notices
from kqv.cli.json_output import print_json
from kqv.cli.options import Best, Device, Json, ModelName, Weights
from kqv.cli.piped import piped_text
from kqv.errors import Error
from kqv.visible import visible

if TYPE_CHECKING:
    from kqv.data.text.tokenizers import Ids, Tokenizer
    from kqv.generation.generate import Step
    from kqv.systems.gpt.trained import LoadedGPT

SHOWN = 5  # candidates beside each token
WELCOME = "Type how a text begins; after an empty line it begins by itself. Ctrl-C stops a text, Ctrl-D leaves."

Prompt = Annotated[str | None, typer.Option(help="The text to continue; without it, you are asked for one.")]
Tokens = Annotated[int, typer.Option(help="How many tokens to write.", min=1)]
Temperature = Annotated[
    float, typer.Option(help="0: always the most likely token; 1: the model's own probabilities.", min=0.0)
]
TopK = Annotated[int | None, typer.Option(help="Sample from this many of the most likely tokens only.", min=1)]
TopP = Annotated[
    float | None,
    typer.Option(help="Sample from the most likely tokens whose probabilities add up to this (nucleus sampling)."),
]
MinP = Annotated[
    float | None, typer.Option(help="Leave out tokens less likely than this fraction of the most likely one.")
]
Penalty = Annotated[float, typer.Option(help="Above 1, tokens that already occur become less likely.")]
Stop = Annotated[list[str] | None, typer.Option(help="Stop before this text; may be repeated.", metavar="TEXT")]
PastEnd = Annotated[
    bool, typer.Option("--past-end", help="Keep generating past the end-of-text token (GPT-2's <|endoftext|>).")
]
Seed = Annotated[int, typer.Option(help="Random seed: the same seed generates the same text.", min=0)]
Samples = Annotated[int, typer.Option(help="How many texts to generate.", min=1)]
Probabilities = Annotated[
    bool, typer.Option("--probabilities", help="Show the candidates for each token, with their probabilities.")
]


def generate(
    model: ModelName, prompt: Prompt = None, tokens: Tokens = 300, temperature: Temperature = 0.8, top_k: TopK = None,
    top_p: TopP = None, min_p: MinP = None, repetition_penalty: Penalty = 1.0, stop: Stop = None,
    past_end: PastEnd = False, seed: Seed = 1, samples: Samples = 1, probabilities: Probabilities = False,
    weights: Weights = "float32", best: Best = False, device: Device = "auto", as_json: Json = False,
) -> None:  # fmt: skip
    """Generate text from a prompt with a trained GPT; without one, it asks for prompts until you press Ctrl-D."""
    from kqv.cli.preparing import TerminalWatcher
    from kqv.generation.generate import generate as generated
    from kqv.generation.predictor import predictor_of
    from kqv.generation.sampling import Sampling
    from kqv.generation.weights import checked_weights
    from kqv.systems.gpt.trained import load_gpt_source
    from kqv.systems.source import find_model
    from kqv.training.devices import choose_device

    sampling = Sampling(temperature, top_k, top_p, min_p, repetition_penalty)
    checked_weights(weights)  # before anything is loaded
    with TerminalWatcher() as watcher:
        source = find_model(model, "gpt", watcher.downloading)
        loaded = load_gpt_source(source, best)
    loaded.model.to(choose_device(device))
    predictor = predictor_of(loaded.model, weights)

    def write(text: str, turn: int) -> None:
        """One answer; each turn of a conversation has its own chance."""
        ids = _ids(loaded, text)
        chance = seed + turn
        steps = generated(predictor, loaded.tokenizer, ids, tokens, sampling, chance, stop or [], samples, past_end)
        if as_json:
            content = {"model": source.name} | _as_json(steps, text, samples, loaded.tokenizer)
            print_json(content)
        elif probabilities:
            _show_choices(steps, text, samples, loaded.tokenizer)
        elif samples == 1:
            _write(steps, text)
        else:
            _write_all(steps, text, samples)
        sys.stdout.flush()

    if prompt is not None or not sys.stdin.isatty():
        write(piped_text() if prompt is None else prompt, 0)
    else:
        _converse(write, quiet=as_json or not sys.stdout.isatty())


def _converse(write: Callable[[str, int], None], quiet: bool) -> None:
    """Ask for prompts and answer them until Ctrl-D. `quiet`: standard output is for the answers alone."""
    with suppress(ImportError):  # not on Windows; with it, lines can be edited and come back with the up key
        import readline  # noqa: F401
    notices.print(f"[dim]{WELCOME}[/]")
    turn = 0
    while True:
        try:
            if quiet:
                notices.print("prompt> ", end="")
            prompt = input("" if quiet else "prompt> ")
        except (EOFError, KeyboardInterrupt):
            notices.print()
            return
        try:
            write(prompt, turn)
        except KeyboardInterrupt:
            sys.stdout.flush()
            notices.print("[dim]stopped[/]")
        except Error as failure:  # such as characters that the vocabulary lacks: the next prompt may be better
            notices.print(f"error: {failure}", markup=False)
        turn += 1


def _ids(loaded: LoadedGPT, prompt: str) -> Ids:
    """The tokens of a prompt; says so where only the last of them are read."""
    from kqv.systems.gpt.writing import prompt_ids

    ids = prompt_ids(loaded.tokenizer, prompt)
    context = loaded.model.context
    if len(ids) > context:
        notices.print(f"[dim]the prompt has {len(ids):,} tokens; the model reads the last {context:,} (its context)[/]")
    return ids


def _write(steps: Iterator[Step], prompt: str) -> None:
    """One text, as it comes; its last line is ended also where Ctrl-C stops it."""
    sys.stdout.write(_streamed(prompt))
    try:
        for step in steps:
            sys.stdout.write(_streamed(step.text))
            sys.stdout.flush()
    finally:
        sys.stdout.write("\n")


def _write_all(steps: Iterator[Step], prompt: str, samples: int) -> None:
    """Several texts, one after another."""
    for number, sample in enumerate(_by_sample(steps, samples), start=1):
        _head(number, prompt, sample)
        sys.stdout.write("\n")


def _head(number: int, prompt: str, steps: list[Step]) -> None:
    """A text under its number."""
    console.print(f"[bold]{number}[/]")
    sys.stdout.write(_streamed(f"{prompt}{''.join(step.text for step in steps)}\n"))


def _streamed(text: str) -> str:
    """Generated text as it is printed: in lines, and with nothing in it that a terminal obeys."""
    return visible(text, keep="\n\t")


def _by_sample(steps: Iterator[Step], samples: int) -> list[list[Step]]:
    """The steps of each text; they are computed side by side."""
    found: list[list[Step]] = [[] for _ in range(samples)]
    for step in steps:
        found[step.sample].append(step)
    return found


def _show_choices(steps: Iterator[Step], prompt: str, samples: int, tokenizer: Tokenizer) -> None:
    """Each token with the likeliest ones beside it: the model's probability, and that after the sampling's filters.

    A single text's come as they are computed; of several each is shown whole.
    """
    console.print("[dim]each token and its candidates: the model's probability → after sampling[/]")
    if samples == 1:
        for step in steps:
            _show_choice(step, tokenizer)
        return
    for number, sample in enumerate(_by_sample(steps, samples), start=1):
        sys.stdout.write("\n")
        _head(number, prompt, sample)
        for step in sample:
            _show_choice(step, tokenizer)


def _show_choice(step: Step, tokenizer: Tokenizer) -> None:
    """One line: the token, and as many of the likeliest as there is room for; the chosen one is always among them."""
    from rich.text import Text

    line = Text.assemble((f"{step.number + 1:>4} {_quoted(tokenizer, step.choice.token):<12}", "bold"))
    candidates = step.choice.top(SHOWN)
    texts = {
        one: Text.assemble(
            _quoted(tokenizer, one.token),
            (f" {100 * one.raw:.1f} → {100 * one.kept:.1f} %", "" if one.chosen else "dim"),
            style="bold green" if one.chosen else "",
        )
        for one in candidates
    }
    for last in reversed(candidates):
        if line.cell_len + sum(3 + text.cell_len for text in texts.values()) > console.width and not last.chosen:
            del texts[last]
    console.print(Text.assemble(line, " ", Text(" · ").join(texts.values())))


def _quoted(tokenizer: Tokenizer, token: int) -> str:
    return visible(repr(tokenizer.token_text(token)))


def _as_json(steps: Iterator[Step], prompt: str, samples: int, tokenizer: Tokenizer) -> dict[str, Any]:
    texts = [_sample_as_json(sample, tokenizer) for sample in _by_sample(steps, samples)]
    return {"prompt": prompt, "samples": texts}


def _sample_as_json(steps: list[Step], tokenizer: Tokenizer) -> dict[str, Any]:
    """A text, how it ended, and each token with what it was chosen from."""
    tokens = []
    for step in steps:
        candidates = [
            {"token": tokenizer.token_text(c.token), "id": c.token, "probability": c.raw, "kept": c.kept}
            for c in step.choice.top(SHOWN)
        ]
        chosen = step.choice.token
        tokens.append({"token": tokenizer.token_text(chosen), "id": chosen, "candidates": candidates})
    return {"text": "".join(step.text for step in steps), "end": steps[-1].end, "tokens": tokens}
