"""Healthy things for attacks to begin from: runs of every system, folders, GGUF files, pictures, texts and pairs."""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import kqv
from kqv.data.text.byte_pairs import BytePairs, train_byte_pairs
from kqv.interchange import bert, gguf, hugging_face
from kqv.models.architecture import Architecture
from kqv.models.families import GPT2, LLAMA, QWEN3
from kqv.models.gpt import GPT

sys.path.append(str(Path(__file__).parents[2] / "interchange"))
from small_encoders import encoder_folder

TEXT = "To be, or not to be: that is the question. Der Übergang über den Fluß.\n"
SMALL: dict[str, Any] = {"layers": 1, "width": 16, "heads": 2}
TRAININGS: dict[str, dict[str, Any]] = {
    "digits": {"steps": 2},
    "adder": {"steps": 2, **SMALL},
    "gpt": {"steps": 2, "context": 16, **SMALL},
    "translate": {"steps": 2, **SMALL},
}
"""A short training of each system; the text and the pairs are those of this module."""

USES = {
    "digits": (["evaluate"], ["classify", "picture.png"], ["trace"]),
    "adder": (["evaluate"], ["add", "12", "34"], ["trace", "12+34"]),
    "gpt": (["generate", "--tokens", "3", "--prompt", "To be"], ["trace"], ["why", "To be or"]),
    "translate": (["translate", "eins"], ["trace", "eins"], ["export", "--to", "ctranslate2", "exported"]),
}
"""Commands that read a run of each system: the run is put behind the first word."""


def make(folder: Path) -> None:
    """All of them, in a folder."""
    for name, write in WRITERS.items():
        write(folder / name)
    for system, changes in TRAININGS.items():
        kqv.train(system, data=data_of(system, folder), out=folder / f"run-{system}", show=False, **changes)
    for name in ("gpt2", "gpt2.gguf", "bert"):  # what this imports, no attack has to import again
        kqv.load(folder / "models" / name) if name != "bert" else bert.read(folder / "models" / name)


def data_of(system: str, folder: Path) -> str | None:
    """What a system is trained on here; None for its own embedded data."""
    if system == "translate":
        return str(folder / "pairs.tsv")
    return str(folder / "text.txt") if system == "gpt" else None


def _models(path: Path) -> None:
    path.mkdir()
    tokenizer = _tokenizer()
    for name, family in (("gpt2", GPT2), ("llama", LLAMA), ("qwen3", QWEN3)):
        torch.manual_seed(1)
        sizes = {"context": 16, "width": 16, "heads": 2, "blocks": 1}
        model = GPT(tokenizer.size, Architecture(**{**family.parts, **sizes})).eval()
        hugging_face.write(model, tokenizer, path / name)
        gguf.write(model, tokenizer, path / f"{name}.gguf")
    encoder_folder(path / "bert")


def _tokenizer() -> BytePairs:
    found = train_byte_pairs([TEXT * 3], 280)
    found._library.add_special_tokens(["<|endoftext|>"])
    return BytePairs(found._library.to_str())


def _text(path: Path) -> None:
    path.write_text(TEXT * 60, encoding="utf-8")


def _pairs(path: Path) -> None:
    lines = (f"eins {number} zwei drei\tone {number} two three\n" for number in range(200))
    path.write_text("".join(lines), encoding="utf-8")


def _picture(form: str) -> Callable[[Path], None]:
    pixels = (np.random.default_rng(1).random((20, 16)) * 255).astype(np.uint8)

    def write(path: Path) -> None:
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, format=form)
        path.write_bytes(content.getvalue())

    return write


def _idx(path: Path) -> None:
    path.write_bytes(bytes((0, 0, 8, 3)) + struct.pack(">3I", 4, 5, 6) + bytes(120))


FORMS = ("png", "jpeg", "bmp", "gif", "webp", "tiff", "ppm")
WRITERS: dict[str, Callable[[Path], None]] = {
    "models": _models, "text.txt": _text, "pairs.tsv": _pairs, "pictures.idx": _idx,
    **{f"picture.{form}": _picture(form) for form in FORMS},
}  # fmt: skip
