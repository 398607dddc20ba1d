"""A run's translations by kqv and by CTranslate2 (float32 and int8): whether they are the same, their BLEU, their time.

    python benchmarks/translation_engines.py runs/translate-1
    python benchmarks/translation_engines.py runs/translate-1 --beams 4 --length-penalty 0.6 --threads 2

All search the run's whole test set with the same beams, length penalty, batches by tokens and threads, in turn, from
ids or pieces to ids or pieces; the medians of the repetitions are given. Cutting sentences and joining translations is
not counted. Each engine translates a batch of sentences once before.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import ctranslate2
import torch
import typer
from rich.console import Console
from tokenizers import Tokenizer

from kqv.data.parallel.pairs import Pairs, ParallelText
from kqv.data.parallel.sentences import BEGIN, END
from kqv.evaluation.translation import score_translations
from kqv.generation.beam_search import BeamSearch, beam_search
from kqv.interchange.ctranslate2 import TYPES, Translator, write
from kqv.systems.source import find_model
from kqv.systems.system import Watcher
from kqv.systems.translation.planned import load as load_pairs
from kqv.systems.translation.trained import LoadedTranslator, load_translator

WARM_UP = 16  # sentences


@dataclass(frozen=True)
class Engine:
    """`search(sources)` is what is timed; `said(found)` makes sentences of what it finds."""

    name: str
    sources: list[Any]
    search: Callable[[list[Any]], Any]
    said: Callable[[Any], list[str]]


def ours(loaded: LoadedTranslator, sentences: list[str], how: BeamSearch, batch_tokens: int) -> Engine:
    """The run itself."""
    sources = loaded.vocabularies.source.encode_many(sentences)

    def search(chosen: list[Any]) -> Any:
        return beam_search(loaded.model, chosen, BEGIN, END, how, batch_tokens=batch_tokens)

    def said(found: Any) -> list[str]:
        return [loaded.vocabularies.target.decode(best[0].ids) for best in found]

    return Engine("kqv", sources, search, said)


def theirs(
    folder: Path, loaded: LoadedTranslator, sentences: list[str], how: BeamSearch, batch: int, threads: int
) -> Engine:
    """The run as CTranslate2 has it in a folder."""
    source, target = loaded.vocabularies.source, loaded.vocabularies.target
    cut = Tokenizer.from_str(source.tokenizer.to_json())
    joined = Tokenizer.from_str(target.tokenizer.to_json()).decoder
    pieces = [cut.encode(source.lead + sentence).tokens for sentence in sentences]
    translator = ctranslate2.Translator(str(folder), inter_threads=1, intra_threads=threads)

    def search(chosen: list[Any]) -> Any:
        return translator.translate_batch(
            chosen, beam_size=how.beams, length_penalty=how.length_penalty, max_decoding_length=loaded.model.context,
            max_input_length=0, max_batch_size=batch, batch_type="tokens",
        )  # fmt: skip

    def said(found: Any) -> list[str]:
        return [joined.decode(one.hypotheses[0]).removeprefix(target.lead) for one in found]

    return Engine(f"CTranslate2 {folder.name}", pieces, search, said)


def compared(engines: list[Engine], test: Pairs, text: ParallelText, repetitions: int) -> list[dict[str, Any]]:
    """For each engine: time, scores, and how many lines are not as the first one's."""
    times: dict[str, list[float]] = {engine.name: [] for engine in engines}
    processor: dict[str, list[float]] = {engine.name: [] for engine in engines}
    lines: dict[str, list[str]] = {}
    for engine in engines:
        engine.search(engine.sources[:WARM_UP])
    for _ in range(repetitions):
        for engine in engines:
            began, busy = time.perf_counter(), time.process_time()
            found = engine.search(engine.sources)
            times[engine.name].append(time.perf_counter() - began)
            processor[engine.name].append(time.process_time() - busy)
            lines[engine.name] = engine.said(found)
    references, first = [target for _, target in test], lines[engines[0].name]
    rows = []
    for engine in engines:
        said, seconds = lines[engine.name], statistics.median(times[engine.name])
        bleu = score_translations(said, references, form=text.form, language=text.target).figure("bleu")
        differ = sum(one != other for one, other in zip(said, first, strict=True))
        rows.append({
            "engine": engine.name, "seconds": seconds, "sentences_per_second": len(test) / seconds, "bleu": bleu.score,
            "signature": bleu.signature, "lines_that_differ": differ, "times": times[engine.name],
            "processor_times": processor[engine.name],
        })  # fmt: skip
    return rows


def main(
    run: Annotated[str, typer.Argument(help="A run: its path, its name in runs/, or 'latest'.")],
    best: Annotated[bool, typer.Option("--best", help="Use the best weights, not the last.")] = False,
    beams: Annotated[int | None, typer.Option(help="Beams; without, those of the recipe.")] = None,
    length_penalty: Annotated[float | None, typer.Option(help="Without, that of the recipe.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of each engine.")] = 1,
    batch: Annotated[int, typer.Option(help="Tokens of the sources in a batch.")] = 2048,
    sentences: Annotated[int | None, typer.Option(help="The first so many of the test set alone.")] = None,
    repetitions: Annotated[int, typer.Option(help="How often each engine translates all.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object alone on standard output.")] = False,
) -> None:
    """Translate the test set with each engine in turn."""
    torch.set_num_threads(threads)
    found = find_model(run, "translate")
    loaded = load_translator(found.require_run("only runs translate"), best)
    text = load_pairs(loaded.recipe.data, Watcher())
    test = text.test[:sentences]
    sources, usual = [source for source, _ in test], loaded.recipe.search
    how = BeamSearch(beams or usual.beams, usual.length_penalty if length_penalty is None else length_penalty)
    exported = Translator(loaded.model, loaded.vocabularies.source, loaded.vocabularies.target)
    with tempfile.TemporaryDirectory() as folder:
        engines = [ours(loaded, sources, how, batch)]
        for number_type in TYPES:
            write(exported, Path(folder) / number_type, number_type)
            engines.append(theirs(Path(folder) / number_type, loaded, sources, how, batch, threads))
        rows = compared(engines, test, text, repetitions)
    result = {
        "run": found.name, "sentences": len(test), "beams": how.beams, "length_penalty": how.length_penalty,
        "threads": threads, "batch_tokens": batch, "repetitions": repetitions, "engines": rows,
    }  # fmt: skip
    if as_json:
        print(json.dumps(result))
        return
    show(result)


def show(result: dict[str, Any]) -> None:
    """A line for each engine."""
    console = Console()
    said = "{sentences:,} sentences, {beams} beams, length penalty {length_penalty:g}, {threads} threads"
    console.print(f"{said.format(**result)}, medians of {result['repetitions']}:")
    for row in result["engines"]:
        console.print(
            f"{row['engine']:<20}{row['seconds']:8.2f} s {row['sentences_per_second']:8.0f} sentences/s   BLEU "
            f"{row['bleu']:6.2f}   {row['lines_that_differ']:,} lines differ from kqv's",
            highlight=False,
            soft_wrap=True,
        )
    console.print(result["engines"][0]["signature"], highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
