"""A translator for Multi30k trained as one writes it with PyTorch's own parts: the yardstick for whole trainings.

    python benchmarks/plain_translation.py MULTI30K                  # the published flags of Transformer-Tiny
    python benchmarks/plain_translation.py MULTI30K --minutes 20     # at most so long; then averaged and scored

MULTI30K is a folder with `train.lc.norm.tok.en.gz` and so on. `torch.nn.Transformer` in a process of its own, with the
allocator as it comes; nothing of kqv is imported. The flags are those of Wu et al. 2021, Good for Misconceived Reasons:
An Empirical Revisiting on the Need for Visual Context in Multimodal Machine Translation, from README-baseline.md and
evaluate.sh of github.com/LividWo/Revisit-MMT, where fairseq trains them: 4 + 4 post-norm layers, 128 wide, 256 hidden,
4 heads, dropout 0.3 (none on attention weights), one table for all; Adam with β 0.9 and 0.98, learning rate 0.005 after
2,000 updates of warm-up, then inverse_sqrt; label smoothing 0.1; batches of at most 4,096 tokens a side, padding
counted; 8,000 updates, or until the validation loss has not improved for 10 epochs; the mean of the last 10 epochs'
weights; 5 beams. They train on two GPUs, so that an update sees two such batches: `--accumulate 2` does so here.
Their BLEU on the test set of 2016 is 41.02.

Words are cut by byte pairs, joint for both languages, that end in `</w>` where a word ends, as Sennrich et al. 2016
have it. Prints one JSON object: milliseconds an update (median), seconds, validation loss, and BLEU by sacrebleu with
`--tokenize none`.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import math
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import sacrebleu
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

sys.path.insert(0, str(Path(__file__).resolve().parent))

from plain_translator import PlainTranslator, beam_search
from torch import Tensor

PAD, BEGIN, END, UNKNOWN = range(4)
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]
KEPT = 10
"""Epochs whose weights are averaged."""

Pair = tuple[list[int], list[int]]


def read(folder: Path, split: str, language: str) -> list[str]:
    """The sentences of a split, lowercased, normalised and tokenised."""
    with gzip.open(folder / f"{split}.lc.norm.tok.{language}.gz", "rt", encoding="utf-8") as file:
        return file.read().splitlines()


def byte_pairs(sentences: list[str], vocab: int) -> Tokenizer:
    """Byte pairs within words."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.BPEDecoder(suffix="</w>")
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, special_tokens=SPECIAL, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(sentences, trainer)
    return tokenizer


def batches_of(pairs: list[Pair], tokens: int) -> list[list[int]]:
    """Numbers of pairs of like lengths, as many as have at most so many tokens on a side, padding counted."""
    found: list[list[int]] = []
    longest = 0
    for number in sorted(range(len(pairs)), key=lambda number: tuple(map(len, reversed(pairs[number])))):
        longest = max(longest, *map(len, pairs[number]))
        if not found or (len(found[-1]) + 1) * longest > tokens:
            found.append([])
            longest = max(map(len, pairs[number]))
        found[-1].append(number)
    return found


def padded(rows: list[list[int]]) -> Tensor:
    """`[row, position]`, padded behind."""
    width = max(map(len, rows))
    return torch.tensor([row + [PAD] * (width - len(row)) for row in rows])


def loss_of(model: PlainTranslator, pairs: list[Pair], smoothing: float) -> tuple[Tensor, int]:
    """The sum over the targets' tokens, in nats, and how many there are."""
    source, target = padded([source for source, _ in pairs]), padded([[BEGIN, *target] for _, target in pairs])
    logits, aims = model(source, target[:, :-1], source == PAD), target[:, 1:]
    total = F.cross_entropy(
        logits.flatten(0, 1), aims.flatten(), ignore_index=PAD, label_smoothing=smoothing, reduction="sum"
    )
    return total, int((aims != PAD).sum())


@torch.no_grad()
def validation_loss(model: PlainTranslator, pairs: list[Pair], tokens: int, smoothing: float) -> float:
    """Mean over every token of the targets."""
    model.eval()
    sums = [loss_of(model, [pairs[number] for number in batch], smoothing) for batch in batches_of(pairs, tokens)]
    model.train()
    return sum(float(total) for total, _ in sums) / sum(count for _, count in sums)


def learning_rate(update: int, peak: float, warm_up: int) -> float:
    """Linear to the peak, then with the inverse square root; `update` from 1."""
    return peak * min(update / warm_up, math.sqrt(warm_up / update))


def mean_weights(kept: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of several weights."""
    return {name: torch.stack([weights[name] for weights in kept]).mean(0) for name in kept[0]}


def translate(model: PlainTranslator, tokenizer: Tokenizer, sources: list[list[int]], words: Any) -> list[str]:
    """A translation of each source, in batches of like lengths."""
    model.eval()
    found: dict[int, str] = {}
    order = sorted(range(len(sources)), key=lambda number: len(sources[number]))
    for start in range(0, len(order), words.decoded):
        batch = order[start : start + words.decoded]
        source = padded([sources[number] for number in batch])
        longest = min(words.context, 2 * source.shape[1] + 10)
        texts = beam_search(model, source, source == PAD, BEGIN, END, words.beams, longest)
        found.update(zip(batch, map(tokenizer.decode, texts), strict=True))
    return [found[number] for number in range(len(sources))]


def train(model: PlainTranslator, data: dict[str, list[Pair]], words: Any, began: float) -> dict[str, Any]:
    """Train until the updates, the minutes or the patience are used up; the model then has the averaged weights."""
    optimizer = torch.optim.Adam(model.parameters(), lr=words.rate, betas=(0.9, 0.98))
    groups = batches_of(data["train"], words.batch)
    kept: list[dict[str, Tensor]] = []
    losses: list[float] = []
    times: list[float] = []

    def out_of_time() -> bool:
        return words.minutes > 0 and time.perf_counter() - began > 60 * words.minutes

    def finished() -> bool:
        worse = len(losses) - 1 - losses.index(min(losses)) if losses else 0
        return len(times) >= words.updates or worse >= words.patience or out_of_time()

    while not finished():
        order = torch.randperm(len(groups)).tolist()
        for start in range(0, len(order), words.accumulate):
            started = time.perf_counter()
            optimizer.param_groups[0]["lr"] = learning_rate(len(times) + 1, words.rate, words.warm_up)
            parts = [[data["train"][number] for number in groups[at]] for at in order[start : start + words.accumulate]]
            count = sum(len(target) for part in parts for _, target in part)
            for part in parts:
                (loss_of(model, part, words.smoothing)[0] / count).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            times.append(time.perf_counter() - started)
            if len(times) >= words.updates or out_of_time():
                break
        losses.append(validation_loss(model, data["val"], words.batch, words.smoothing))
        kept = [*kept, copy.deepcopy(model.state_dict())][-KEPT:]
    model.load_state_dict(mean_weights(kept))
    return {
        "updates": len(times), "epochs": len(times) * words.accumulate / len(groups), "averaged": len(kept),
        "step_ms": 1e3 * statistics.median(times), "training_seconds": time.perf_counter() - began,
    }  # fmt: skip


def arguments() -> Any:
    """The published flags, unless the command says otherwise."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--source", default="en")
    parser.add_argument("--target", default="de")
    sizes = {
        "layers": 4, "model": 128, "hidden": 256, "heads": 4, "vocab": 10_000, "context": 256, "batch": 4096,
        "accumulate": 1, "updates": 8000, "warm-up": 2000, "patience": 10, "beams": 5, "decoded": 128, "seed": 1,
    }  # fmt: skip
    for name, size in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    for name, number in {"dropout": 0.3, "rate": 0.005, "smoothing": 0.1, "minutes": 0.0}.items():
        parser.add_argument(f"--{name}", type=float, default=number)
    parser.add_argument("--out", type=Path, help="a file for the translations")
    return parser.parse_args()


def main() -> None:
    """Train, translate, score and print."""
    words, began = arguments(), time.perf_counter()
    torch.manual_seed(words.seed)
    splits = {"train": "train", "val": "val", "test": "test_2016_flickr"}
    languages = words.source, words.target
    text = {name: [read(words.data, split, one) for one in languages] for name, split in splits.items()}
    tokenizer = byte_pairs([line for side in text["train"] for line in side], words.vocab)
    ids = {
        name: [[[*one.ids, END] for one in tokenizer.encode_batch(side)] for side in sides]
        for name, sides in text.items()
    }
    data = {name: list(zip(*ids[name], strict=True)) for name in ("train", "val")}
    vocab = tokenizer.get_vocab_size()
    model = PlainTranslator(vocab, words.context, words.model, words.heads, words.hidden, words.layers, words.dropout)
    found = train(model, data, words, began)
    loss = validation_loss(model, data["val"], words.batch, 0.0)
    decoding = time.perf_counter()
    hypotheses = translate(model, tokenizer, ids["test"][0], words)
    decoding_seconds = time.perf_counter() - decoding
    metric = sacrebleu.BLEU(tokenize="none")
    bleu = metric.corpus_score(hypotheses, [text["test"][1]])
    if words.out is not None:
        words.out.write_text("".join(f"{line}\n" for line in hypotheses), encoding="utf-8")
    print(
        json.dumps(
            {
                "parameters": sum(parameter.numel() for parameter in model.parameters()),
                "vocab": vocab,
                **found,
                "loss": loss,
                "bleu": bleu.score,
                "signature": str(metric.get_signature()),
                "decoding_seconds": decoding_seconds,
                "seconds": time.perf_counter() - began,
            }
        )
    )


if __name__ == "__main__":
    main()
