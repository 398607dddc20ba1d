"""Small trained models of each kind, and llama.cpp running their files."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kqv.data.text.byte_pairs import train_byte_pairs
from kqv.data.text.characters import Bytes, Characters
from kqv.data.text.codec import Tokenizer
from kqv.interchange import gguf, hugging_face
from kqv.models.architecture import Architecture
from kqv.models.families import GPT2, LLAMA, QWEN3
from kqv.models.gpt import GPT

ANIMALS = ["Füchse", "Bären", "Käfer", "Störche", "Hühner", "Wölfe", "Mäuse", "Rehe"]
PLACES = ["im Wald", "am Fluß", "auf der Wiese", "über dem See", "in der Höhle", "vor dem Haus"]
HABITS = ["schlafen", "spielen", "träumen", "fressen", "warten", "rennen"]
SENTENCES = [
    f"»{animal}«, sagte sie, »{habit} {place}.«\n" for animal in ANIMALS for place in PLACES for habit in HABITS
]
TEXT = "".join(np.random.default_rng(1).permutation(SENTENCES).tolist())
"""Sentences that differ in three choices: a small model is sure of the rest."""

CONTEXT = 256
SIZES: dict[str, Any] = {"context": CONTEXT, "width": 64, "heads": 4, "blocks": 2}


@dataclass(frozen=True)
class Trained:
    """A model with its tokenizer, and as a file."""

    model: GPT
    tokenizer: Tokenizer
    file: Path

    def written(self, number_type: str) -> Path:
        """The file of a type, made once."""
        path = self.file.with_name(f"{self.file.stem}-{number_type}.gguf")
        if not path.exists():
            gguf.write(self.model, self.tokenizer, path, number_type)
        return path

    @torch.no_grad()
    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """`[position, vocab]`."""
        found: NDArray[np.float32] = self.model(torch.tensor([list(ids)]))[0].numpy()
        return found


def train(model: GPT, tokenizer: Tokenizer, steps: int) -> GPT:
    """Train on `TEXT`, always alike."""
    ids = torch.from_numpy(tokenizer.encode(TEXT).astype(np.int64))
    chance = torch.Generator().manual_seed(3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for _ in range(steps):
        starts = torch.randint(len(ids) - 65, (8,), generator=chance)
        batch = torch.stack([ids[start : start + 65] for start in starts.tolist()])
        optimizer.zero_grad()
        model.loss(model(batch[:, :-1]), batch[:, 1:]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model.eval()


def trained(kind: str, folder: Path) -> Trained:
    """One of `KINDS`."""
    parts, tokenizer = KINDS[kind]
    torch.manual_seed(4)
    model = train(GPT(tokenizer.size, Architecture(**SIZES, **parts)), tokenizer, 60)
    if kind == "fine-tuned GPT-2":  # a folder, as of somebody else, that is trained further
        hugging_face.write(model, tokenizer, folder / "pretrained")
        model, read = hugging_face.read(folder / "pretrained")
        assert read is not None
        tokenizer = read
        model = train(model.train(), tokenizer, 20)
    file = folder / "model.gguf"
    gguf.write(model, tokenizer, file)
    return Trained(model, tokenizer, file)


def with_end(tokenizer: Any) -> Any:
    """Byte pairs with a token that ends a text, as GPT-2's have."""
    tokenizer._library.add_special_tokens(["<|endoftext|>"])
    return type(tokenizer)(tokenizer._library.to_str())


KINDS: dict[str, tuple[dict[str, Any], Tokenizer]] = {
    "characters": (QWEN3.parts, Characters(sorted(set(TEXT)))),
    "bytes": ({**LLAMA.parts, "key_heads": 2}, Bytes()),
    "byte pairs": ({**QWEN3.parts, "tied": False}, train_byte_pairs([TEXT], 400)),
    "fine-tuned GPT-2": (GPT2.parts, with_end(train_byte_pairs([TEXT], 400))),
}
"""Architectures and tokenizers, each kind once."""


class Engine:
    """A file in llama.cpp, which computes in float32 as far as it can."""

    def __init__(self, path: Path, context: int = CONTEXT) -> None:
        from llama_cpp import Llama

        self.llama: Any = Llama(
            str(path), n_ctx=context, logits_all=True, verbose=False, n_threads=1, n_threads_batch=1,
            type_k=0, type_v=0,  # the cache too, which is float16 otherwise
        )  # fmt: skip

    def encode(self, text: str) -> list[int]:
        """Its ids of a text, with what it puts before by itself."""
        found: list[int] = self.llama.tokenize(text.encode(), add_bos=True, special=False)
        return found

    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """`[position, vocab]`."""
        self.llama.reset()
        self.llama.eval(list(ids))
        return np.array(self.llama.scores[: len(ids)])

    def greedy(self, ids: Sequence[int], tokens: int) -> list[int]:
        """What it writes, the likeliest token each time, past any end."""
        self.llama.reset()
        self.llama.eval(list(ids))
        found: list[int] = []
        for _ in range(tokens):
            found.append(int(self.llama.scores[self.llama.n_tokens - 1].argmax()))
            self.llama.eval(found[-1:])
        return found

    def loss(self, ids: Sequence[int]) -> float:
        """Nats per token after the first of a text within the context."""
        logits = self.logits(ids)[:-1].astype(np.float64)
        top = logits.max(-1, keepdims=True)
        logs = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
        return float(-logs[np.arange(len(ids) - 1), np.array(ids)[1:]].mean())


def quantised_by_llama_cpp(path: Path, number_type: str) -> Path:
    """A float32 file as llama.cpp's own quantiser makes it."""
    import llama_cpp
    from llama_cpp._utils import suppress_stdout_stderr

    target = path.with_name(f"{path.stem}-by-llama.cpp-{number_type}.gguf")
    how = llama_cpp.llama_model_quantize_default_params()
    how.ftype = gguf.TYPES[number_type].of_file.value
    how.nthread = 1
    with suppress_stdout_stderr(disable=False):
        done = llama_cpp.llama_model_quantize(str(path).encode(), str(target).encode(), ctypes.byref(how))
    assert done == 0
    return target
