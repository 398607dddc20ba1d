"""How many tokens a second a GPT reads and writes: kqv, llama.cpp (float32 and quantised), transformers, in turn.

    python benchmarks/engines.py                              # SmolLM2 with 135 M weights, and a new GPT with 10.7 M
    python benchmarks/engines.py --model runs/gpt-1 --threads 2 --repetitions 9

All read the same prompt (prefill), then write greedily, one token at a time (decode); tokenizing is not counted.
Each engine does it once before. Medians, with the interval in which 95 of 100 medians lie; `same`: how many tokens
were those of kqv before the first other one, which quantised files may well write.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from llama_cpp import Llama
from machine import interval, machine
from rich.console import Console
from transformers import AutoModelForCausalLM

from kqv.data.text.characters import Bytes
from kqv.data.text.codec import Tokenizer
from kqv.generation.predictor import Cached
from kqv.interchange import gguf, hugging_face
from kqv.models.architecture import Architecture
from kqv.models.families import GPT2
from kqv.models.gpt import GPT
from kqv.systems.gpt.trained import load_gpt_source
from kqv.systems.source import find_model

NEW = "new"
"""The name of the GPT with new weights, which writes nonsense as fast as others."""

QUANTISED = ("f32", "q8_0", "q4_0")


@dataclass(frozen=True)
class Engine:
    """`prefill(ids)` begins with a prompt and gives the likeliest token; `decode(token)` adds a token."""

    name: str
    prefill: Callable[[Sequence[int]], int]
    decode: Callable[[int], int]


def ours(model: GPT) -> Engine:
    """kqv, with its key-value cache."""
    predictor = Cached(model)
    return Engine(
        "kqv",
        lambda ids: int(predictor.prefill(torch.tensor([list(ids)])).argmax()),
        lambda token: int(predictor.advance(torch.tensor([token])).argmax()),
    )


def llama_cpp(file: Path, name: str, context: int, threads: int) -> Engine:
    """llama.cpp with a file; its cache is float16, as usual there."""
    llama = Llama(str(file), n_ctx=context, n_threads=threads, n_threads_batch=threads, verbose=False)
    vocab = llama.n_vocab()

    def likeliest() -> int:
        return int(np.ctypeslib.as_array(llama._ctx.get_logits(), shape=(vocab,)).argmax())

    def prefill(ids: Sequence[int]) -> int:
        llama.reset()
        llama.eval(list(ids))
        return likeliest()

    def decode(token: int) -> int:
        llama.eval([token])
        return likeliest()

    return Engine(name, prefill, decode)


def transformers(folder: Path) -> Engine:
    """transformers with its own cache."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    past: list[Any] = [None]

    def advance(ids: Sequence[int]) -> int:
        found = model(torch.tensor([list(ids)]), past_key_values=past[0], use_cache=True, logits_to_keep=1)
        past[0] = found.past_key_values
        return int(found.logits[0, -1].argmax())

    def prefill(ids: Sequence[int]) -> int:
        past[0] = None
        return advance(ids)

    return Engine("transformers", prefill, lambda token: advance([token]))


def engines_of(model: GPT, tokenizer: Tokenizer, folder: Path, context: int, threads: int) -> list[Engine]:
    """All engines with one model."""
    found = [ours(model)]
    for number_type in QUANTISED:
        file = folder / f"{number_type}.gguf"
        gguf.write(model, tokenizer, file, number_type)
        found.append(llama_cpp(file, f"llama.cpp {number_type}", context, threads))
    hugging_face.write(model, tokenizer, folder / "folder")
    return [*found, transformers(folder / "folder")]


def measured(engine: Engine, prompt: Sequence[int], tokens: int) -> tuple[float, float, list[int]]:
    """Seconds to read the prompt, seconds to write so many tokens after the first, and all of them."""
    began = time.perf_counter()
    written = [engine.prefill(prompt)]
    read = time.perf_counter()
    for _ in range(tokens):
        written.append(engine.decode(written[-1]))
    return read - began, time.perf_counter() - read, written


@torch.inference_mode()
def compared(engines: list[Engine], prompt: Sequence[int], tokens: int, repetitions: int) -> list[dict[str, Any]]:
    """Tokens a second of each engine."""
    prefill: dict[str, list[float]] = {engine.name: [] for engine in engines}
    decode: dict[str, list[float]] = {engine.name: [] for engine in engines}
    written: dict[str, list[int]] = {}
    for repetition in range(repetitions + 1):
        for engine in engines:
            reading, writing, written[engine.name] = measured(engine, prompt, tokens)
            if repetition:
                prefill[engine.name].append(len(prompt) / reading)
                decode[engine.name].append(tokens / writing)
    first = written[engines[0].name]
    return [
        {
            "engine": engine.name,
            "prefill": statistics.median(prefill[engine.name]), "prefill_interval": interval(prefill[engine.name]),
            "decode": statistics.median(decode[engine.name]), "decode_interval": interval(decode[engine.name]),
            "same": common(written[engine.name], first),
        }
        for engine in engines
    ]  # fmt: skip


def common(written: list[int], first: list[int]) -> int:
    """How many tokens they have in common before the first other one."""
    differ = [one != other for one, other in zip(written, first, strict=True)]
    return differ.index(True) if True in differ else len(differ)


def loaded(name: str, context: int) -> tuple[GPT, Tokenizer]:
    """A model by name, or one with new weights."""
    if name != NEW:
        found = load_gpt_source(find_model(name, "gpt"))
        return found.model, found.tokenizer
    torch.manual_seed(1)
    parts = {**GPT2.parts, "context": context, "width": 384, "heads": 6, "blocks": 6}
    return GPT(Bytes().size, Architecture(**parts)).eval(), Bytes()


def main(
    model: Annotated[list[str] | None, typer.Option(help="A model, or 'new'; may be repeated.")] = None,
    prompt: Annotated[int, typer.Option(help="How many tokens are read.")] = 256,
    tokens: Annotated[int, typer.Option(help="How many tokens are written after the first.")] = 64,
    threads: Annotated[int, typer.Option(help="Threads of each engine.")] = 1,
    repetitions: Annotated[int, typer.Option(help="How often each engine, in turn.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object alone on standard output.")] = False,
) -> None:
    """Read a prompt and write with each engine in turn."""
    torch.set_num_threads(threads)
    results = {}
    for name in model or ["smollm2", NEW]:
        network, tokenizer = loaded(name, prompt + tokens + 1)
        ids = torch.randint(network.vocab, (prompt,), generator=torch.Generator().manual_seed(2)).tolist()
        with tempfile.TemporaryDirectory() as folder:
            engines = engines_of(network, tokenizer, Path(folder), prompt + tokens + 1, threads)
            results[name] = {
                "weights": sum(parameter.numel() for parameter in network.parameters()),
                "engines": compared(engines, ids, tokens, repetitions),
            }
    result = {**machine(), "prompt": prompt, "tokens": tokens, "repetitions": repetitions, "models": results}
    if as_json:
        print(json.dumps(result))
        return
    show(result)


def show(result: dict[str, Any]) -> None:
    """A line for each engine."""
    console = Console(highlight=False, soft_wrap=True)
    for name, found in result["models"].items():
        console.print(
            f"{name}, {found['weights'] / 1e6:.1f} M weights: {result['prompt']} tokens read, {result['tokens']}"
            f" written, {result['threads']} threads, medians of {result['repetitions']}, in tokens a second:"
        )
        for row in found["engines"]:
            read, written = (
                f"{row[what]:8,.1f} ({row[f'{what}_interval'][0]:,.1f} to {row[f'{what}_interval'][1]:,.1f})"
                for what in ("prefill", "decode")
            )
            console.print(f"{row['engine']:<16} prefill {read:<28} decode {written:<28} same {row['same']}")


if __name__ == "__main__":
    typer.run(main)
