"""A run's test set translated by kqv, by Hugging Face transformers with the same weights, and by CTranslate2.

    python benchmarks/translation_decoding.py runs/translate-1
    python benchmarks/translation_decoding.py runs/translate-1 --sentences 200 --repetitions 5 --json

Transformers gets the run's own weights, in its class of the same architecture: `MarianMTModel` has post-norm blocks,
`M2M100ForConditionalGeneration` pre-norm ones, both with sinusoidal positions and one table. So all write the same
translations, but where two are about as likely, or the searches stop at another moment: how many lines differ is given.
All search with the same beams, length penalty, batches by tokens and threads, in turn, as `translation_engines.py`
does; seconds are medians, the ratio is the median of the ratios of the processor's time to that of transformers in the
same repetition, with a 95 % interval.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from transformers import M2M100Config, M2M100ForConditionalGeneration, MarianConfig, MarianMTModel
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import interval, machine
from benchmarks.translation_engines import Engine, compared, ours, theirs
from kqv.data.parallel.sentences import BEGIN, END
from kqv.errors import Error
from kqv.generation.beam_search import BeamSearch
from kqv.interchange.ctranslate2 import Translator, write
from kqv.models.transformer import Transformer
from kqv.operations import sinusoidal
from kqv.systems.source import find_model
from kqv.systems.system import Watcher
from kqv.systems.translation.planned import load as load_pairs
from kqv.systems.translation.trained import LoadedTranslator, load_translator

PARTS = {
    "self_attn": ("attention", "query_key_value", 0), "encoder_attn": ("cross_attention", "key_value", 1)
}  # fmt: skip
"""Transformers' name of an attention, ours, our map that holds several of its maps, and how many are not in it."""
NAMES = {
    "self_attn_layer_norm": "attention_norm", "encoder_attn_layer_norm": "cross_attention_norm",
    "final_layer_norm": "feed_forward_norm", "fc1": "feed_forward.widen", "fc2": "feed_forward.narrow",
}  # fmt: skip


def weight_of(ours: dict[str, Tensor], name: str) -> Tensor:
    """Our numbers for a parameter of transformers, such as `encoder.layers.0.self_attn.q_proj.weight`."""
    coder, *rest = name.split(".")
    if rest[0] == "layer_norm":
        return ours[f"{coder}.norm.{rest[1]}"]
    _, number, part, *map_name, kind = rest
    block = f"{coder}.blocks.{number}"
    if part in NAMES:
        return ours[f"{block}.{NAMES[part]}.{kind}"]
    attention, joined, apart = PARTS[part]
    if map_name == ["out_proj"]:
        return ours[f"{block}.{attention}.projection.{kind}"]
    at = ["q_proj", "k_proj", "v_proj"].index(map_name[0])
    if at < apart:
        return ours[f"{block}.{attention}.query.{kind}"]
    return ours[f"{block}.{attention}.{joined}.{kind}"].chunk(3 - apart)[at - apart]


def transformers_of(model: Transformer) -> nn.Module:
    """Transformers' model of the same architecture, with the same weights, in evaluation mode.

    Its padding is `BEGIN`, which no source has. Raises `Error` for parts that it does not have.
    """
    chosen = model.architecture
    if (chosen.positions, chosen.norm, chosen.feed_forward, chosen.tables) != ("sinusoidal", "layer", "relu", "shared"):
        raise Error("transformers has a model with sinusoidal positions, layer norms, ReLU and one table; not this one")
    if chosen.epsilon != 1e-5 or not chosen.bias:
        raise Error("transformers' norms have an epsilon of 1e-5, and its maps biases; the run's have not")
    sizes: dict[str, Any] = {
        "vocab_size": model.vocab, "d_model": chosen.width, "max_position_embeddings": chosen.context + 2,
        "encoder_layers": chosen.encoder_blocks, "decoder_layers": chosen.decoder_blocks,
        "encoder_attention_heads": chosen.heads, "decoder_attention_heads": chosen.heads,
        "encoder_ffn_dim": chosen.hidden or 4 * chosen.width, "decoder_ffn_dim": chosen.hidden or 4 * chosen.width,
        "activation_function": "relu", "scale_embedding": True, "dropout": 0.0, "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0, "pad_token_id": BEGIN, "bos_token_id": BEGIN, "eos_token_id": END,
        "decoder_start_token_id": BEGIN, "forced_eos_token_id": None,
    }  # fmt: skip
    marian = chosen.block == "post-norm"
    found = MarianMTModel(MarianConfig(**sizes)) if marian else M2M100ForConditionalGeneration(M2M100Config(**sizes))
    own = dict(model.named_parameters())
    with torch.no_grad():
        found.model.shared.weight.copy_(own["tokens.weight"])
        for name, parameter in found.model.named_parameters():
            if not name.startswith("shared.") and "embed_" not in name:
                parameter.copy_(weight_of(own, name))
        for coder in (found.model.encoder, found.model.decoder):
            _set_positions(coder.embed_positions, chosen.context, chosen.width, marian)
    return found.eval()  # type: ignore[no-any-return]


def _set_positions(module: Any, context: int, width: int, marian: bool) -> None:
    """Our waves, which alternate. M2M100 counts from the padding's id + 1 on, and gives a `BEGIN` the padding's row."""
    waves = sinusoidal(torch.arange(context), model=width)
    if marian:
        module.weight[:context] = waves
    else:
        module.weights[0], module.weights[1 : context + 1] = waves[0], waves


def batched(sources: list[Any], tokens: int) -> Iterator[list[int]]:
    """Numbers of sources of like lengths, longest first, as many as have so many tokens with their padding."""
    order = sorted(range(len(sources)), key=lambda number: len(sources[number]), reverse=True)
    while order:
        count = max(1, tokens // len(sources[order[0]]))
        yield order[:count]
        order = order[count:]


def transformers_engine(loaded: LoadedTranslator, sentences: list[str], how: BeamSearch, batch_tokens: int) -> Engine:
    """The run as transformers has it."""
    model: Any = transformers_of(loaded.model)
    vocabularies = loaded.vocabularies

    def search(chosen: list[Any]) -> list[list[int]]:
        found: dict[int, list[int]] = {}
        for batch in batched(chosen, batch_tokens):
            rows = [torch.from_numpy(chosen[number].astype("int64")) for number in batch]
            source = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=BEGIN)
            texts = model.generate(
                input_ids=source, attention_mask=(source != BEGIN).long(), num_beams=how.beams, do_sample=False,
                early_stopping=True, length_penalty=how.length_penalty, max_new_tokens=loaded.model.context - 1,
            )  # fmt: skip
            found.update(zip(batch, texts.tolist(), strict=True))
        return [found[number] for number in range(len(chosen))]

    def said(found: list[list[int]]) -> list[str]:
        return [vocabularies.target.decode(ids) for ids in found]

    name = type(model).__name__.removesuffix("ForConditionalGeneration").removesuffix("MTModel")
    return Engine(name, vocabularies.source.encode_many(sentences), search, said)


def main(
    run: Annotated[str, typer.Argument(help="A run: its path, its name in runs/, or 'latest'.")],
    beams: Annotated[int, typer.Option(help="Beams.")] = 5,
    threads: Annotated[int, typer.Option(help="Threads of each engine.")] = 1,
    batch: Annotated[int, typer.Option(help="Tokens of the sources in a batch.")] = 2048,
    sentences: Annotated[int | None, typer.Option(help="The first so many of the test set alone.")] = None,
    repetitions: Annotated[int, typer.Option(help="How often each engine translates all.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object alone on standard output.")] = False,
) -> None:
    """Translate the test set with each in turn."""
    torch.set_num_threads(threads)
    logging.set_verbosity_error()
    found = find_model(run, "translate")
    loaded = load_translator(found.require_run("only runs translate"))
    text = load_pairs(loaded.recipe.data, Watcher())
    test = text.test[:sentences]
    sources, how = [source for source, _ in test], BeamSearch(beams)
    exported = Translator(loaded.model, loaded.vocabularies.source, loaded.vocabularies.target)
    with tempfile.TemporaryDirectory() as folder:
        write(exported, Path(folder) / "float32")
        engines = [
            ours(loaded, sources, how, batch),
            transformers_engine(loaded, sources, how, batch),
            theirs(Path(folder) / "float32", loaded, sources, how, batch, threads),
        ]
        rows = compared(engines, test, text, repetitions)
    against = rows[1]
    for row in rows:  # by the processor's time, which what else the machine does changes less
        ratios = [a / b for a, b in zip(row["processor_times"], against["processor_times"], strict=True)]
        row["processor_seconds"] = statistics.median(row["processor_times"])
        row["ratio"], row["interval"] = statistics.median(ratios), interval(ratios)
    result = {**machine(), "run": found.name, "sentences": len(test), "beams": beams, "repetitions": repetitions}
    if as_json:
        print(json.dumps({**result, "engines": rows}))
        return
    show(result, rows)


def show(result: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """A line for each."""
    table = Table(
        title=f"{result['sentences']:,} sentences, {result['beams']} beams, medians of {result['repetitions']}",
        caption=f"{result['processor']}, {result['threads']} threads, torch {result['torch']}",
    )
    for column in ("engine", "seconds", "processor", "/ transformers", "95 %", "BLEU", "lines differ"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    for row in rows:
        low, high = row["interval"]
        table.add_row(
            row["engine"], f"{row['seconds']:.2f}", f"{row['processor_seconds']:.2f}", f"{row['ratio']:.3f}",
            f"{low:.3f} to {high:.3f}", f"{row['bleu']:.2f}", str(row["lines_that_differ"]),
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
