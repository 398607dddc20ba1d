"""How many tokens a second a GPT reads and writes: kqv and five other engines, in turn.

    python benchmarks/engines.py                              # SmolLM2 with 135 M weights, and a new GPT with 10.7 M
    python benchmarks/engines.py --model runs/gpt-1 --threads 2 --repetitions 9

The others are llama.cpp (also quantised), transformers, onnxruntime and CTranslate2 (also quantised). All read the
same prompt (prefill), then write greedily, one token at a time (decode); tokenizing is not counted. Each engine does it
once before. Medians, with the interval in which 95 of 100 medians lie; `of llama.cpp`: the median of the ratios to
llama.cpp's f32 in the same turn; `same`: how many tokens were those of kqv before the first other one, which quantised
files may well write. `--cpu-time` counts the time of the processor in place of the clock's, for one thread on a machine
that has others to serve.
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
import onnxruntime as runtime
import torch
import typer
from ctranslate2 import GenerationStepResult, Generator
from ctranslate2.converters import TransformersConverter
from llama_cpp import Llama
from machine import interval, machine
from rich.console import Console
from transformers import AutoModelForCausalLM

from kqv.data.text.characters import Bytes
from kqv.data.text.codec import Tokenizer
from kqv.generation.predictor import Cached
from kqv.interchange import gguf, hugging_face, onnx
from kqv.models.architecture import Architecture
from kqv.models.families import GPT2
from kqv.models.gpt import GPT
from kqv.systems.gpt.trained import load_gpt_source
from kqv.systems.source import find_model

NEW = "new"
"""The name of the GPT with new weights, which writes nonsense as fast as others."""

QUANTISED = ("f32", "q8_0", "q4_0")

NO_TOKEN = "<none>"
"""What CTranslate2 is told of a token that a model does not have."""


Clock = Callable[[], float]
Written = tuple[float, float, list[int]]
"""Seconds to read a prompt, seconds to write the tokens after the first, and all tokens that were written."""


@dataclass(frozen=True)
class Engine:
    """`write(prompt, tokens, clock)` reads a prompt and writes so many tokens after the first."""

    name: str
    write: Callable[[Sequence[int], int, Clock], Written]


def stepwise(name: str, prefill: Callable[[Sequence[int]], int], decode: Callable[[int], int]) -> Engine:
    """An engine of two functions: one begins with a prompt and gives the likeliest token, one adds a token."""

    def write(prompt: Sequence[int], tokens: int, clock: Clock) -> Written:
        began = clock()
        written = [prefill(prompt)]
        read = clock()
        for _ in range(tokens):
            written.append(decode(written[-1]))
        return read - began, clock() - read, written

    return Engine(name, write)


WEIGHTS = ("float32", "float16", "bfloat16", "int8")
"""kqv's own."""

REFERENCE = "llama.cpp f32"


def ours(model: GPT, weights: str = "float32") -> Engine:
    """kqv, with its key-value cache and such weights."""
    predictor = Cached(model, weights)
    return stepwise(
        f"kqv {weights}",
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

    return stepwise(name, prefill, decode)


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

    return stepwise("transformers", prefill, lambda token: advance([token]))


def onnxruntime(file: Path, threads: int) -> Engine:
    """onnxruntime with a file of ONNX; the cache goes from what comes out of one call to what the next one is given."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    empty = {
        it.name: np.zeros((1, it.shape[1], 0, it.shape[3]), np.float32)
        for it in session.get_inputs()
        if it.name.startswith("past")
    }
    cache: dict[str, Any] = {}

    def advance(ids: Sequence[int]) -> int:
        seen = next(iter(cache.values())).shape[2] + len(ids)
        given = {"input_ids": np.array([list(ids)]), "attention_mask": np.ones((1, seen), np.int64)}
        logits, *present = session.run(None, {**given, **cache})
        cache.update(zip(empty, present, strict=True))
        return int(logits[0, -1].argmax())

    def prefill(ids: Sequence[int]) -> int:
        cache.update(empty)
        return advance(ids)

    return stepwise("onnxruntime", prefill, lambda token: advance([token]))


def ctranslate2(folder: Path, number_type: str, threads: int) -> Engine:
    """CTranslate2 with a folder in Hugging Face's layout. It writes by itself, and tells of each token."""
    made = folder.parent / f"ctranslate2-{number_type}"
    TransformersConverter(str(folder)).convert(str(made), quantization=number_type)
    config = json.loads((made / "config.json").read_text())
    named = {name: token or NO_TOKEN for name, token in config.items() if name.endswith("_token")}
    (made / "config.json").write_text(json.dumps(config | named))
    generator = Generator(str(made), device="cpu", intra_threads=threads, inter_threads=1)
    vocabulary = json.loads((made / "vocabulary.json").read_text())

    def write(prompt: Sequence[int], tokens: int, clock: Clock) -> Written:
        times, written = [clock()], []

        def heard(step: GenerationStepResult) -> bool:
            times.append(clock())
            written.append(step.token_id)
            return False

        length = tokens + 1
        generator.generate_batch(
            [[vocabulary[one] for one in prompt]], max_length=length, min_length=length, callback=heard,
            include_prompt_in_result=False,
        )  # fmt: skip
        return times[1] - times[0], times[-1] - times[1], written

    return Engine(f"CTranslate2 {number_type}", write)


def engines_of(model: GPT, tokenizer: Tokenizer, folder: Path, context: int, threads: int) -> list[Engine]:
    """All engines with one model."""
    found = [ours(model, weights) for weights in WEIGHTS]
    for number_type in QUANTISED:
        file = folder / f"{number_type}.gguf"
        gguf.write(model, tokenizer, file, number_type)
        found.append(llama_cpp(file, f"llama.cpp {number_type}", context, threads))
    hugging_face.write(model, tokenizer, folder / "folder")
    onnx.write_gpt(model, tokenizer, folder / "model.onnx")
    found += [transformers(folder / "folder"), onnxruntime(folder / "model.onnx", threads)]
    return [*found, *(ctranslate2(folder / "folder", number_type, threads) for number_type in ("float32", "int8"))]


@torch.inference_mode()
def compared(
    engines: list[Engine], prompt: Sequence[int], tokens: int, repetitions: int, clock: Clock = time.perf_counter
) -> list[dict[str, Any]]:
    """Tokens a second of each engine."""
    prefill: dict[str, list[float]] = {engine.name: [] for engine in engines}
    decode: dict[str, list[float]] = {engine.name: [] for engine in engines}
    written: dict[str, list[int]] = {}
    for repetition in range(repetitions + 1):
        for engine in engines:
            reading, writing, written[engine.name] = engine.write(prompt, tokens, clock)
            if repetition:
                prefill[engine.name].append(len(prompt) / reading)
                decode[engine.name].append(tokens / writing)
    first = written[engines[0].name]
    return [
        {
            "engine": engine.name,
            **_summary("prefill", prefill[engine.name], prefill[REFERENCE]),
            **_summary("decode", decode[engine.name], decode[REFERENCE]),
            "same": common(written[engine.name], first),
        }
        for engine in engines
    ]


def _summary(what: str, rates: list[float], reference: list[float]) -> dict[str, Any]:
    """Median and interval of rates, and of their ratios to the reference's in the same turn."""
    ratios = [one / other for one, other in zip(rates, reference, strict=True)]
    return {
        what: statistics.median(rates), f"{what}_interval": interval(rates),
        f"{what}_ratio": statistics.median(ratios), f"{what}_ratio_interval": interval(ratios),
    }  # fmt: skip


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
    cpu_time: Annotated[bool, typer.Option("--cpu-time", help="Count the processor's time, not the clock's.")] = False,
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
                "engines": compared(
                    engines, ids, tokens, repetitions, time.process_time if cpu_time else time.perf_counter
                ),
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
            read, written = (_in_words(row, what) for what in ("prefill", "decode"))
            console.print(f"{row['engine']:<20} prefill {read:<48} decode {written:<48} same {row['same']}")


def _in_words(row: dict[str, Any], what: str) -> str:
    """`25.6 (24.9 to 26.0), 0.68 (0.66 to 0.70) of llama.cpp`."""
    (low, high), (least, most) = row[f"{what}_interval"], row[f"{what}_ratio_interval"]
    return (
        f"{row[what]:8,.1f} ({low:,.1f} to {high:,.1f}), {row[f'{what}_ratio']:.2f} ({least:.2f} to {most:.2f}) of "
        "llama.cpp"
    )


if __name__ == "__main__":
    typer.run(main)
