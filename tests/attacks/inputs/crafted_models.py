"""Tokenizers, chat templates and encoders that ask for more than any model needs."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from arena import Attack
from crafted_files import crafted_safetensors
from crafted_tokenizers import crafted_tokenizer
from hostility import bytes_for, hostile, reading
from kinds import Draw, command, copied
from mutations import of_bytes, of_json

from kqv.visible import visible


def _tokenizers(materials: Path, chance: Random) -> Attack:
    seed, where = chance.random(), chance.choice(("models/gpt2", "models/bert", "run-gpt", "run-translate"))

    def prepare(folder: Path) -> None:
        text = (materials / where / "tokenizer.json").read_text(encoding="utf-8")
        (folder / "tokenizer.json").write_bytes(bytes_for(crafted_tokenizer(text, Random(seed))))

    def read() -> None:
        from kqv.data.text import tokenizers
        from kqv.interchange import bert, library_tokenizer

        folder = Path()
        found: Any = None
        if where == "models/bert":
            found = bert.read_tokenizer(folder)
        elif where.startswith("run"):
            found = tokenizers.load(folder)
        else:
            found = library_tokenizer.load(folder)
        ids = found.encode("To be, aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa! ß 𝕏\n" * 3)
        if where != "models/bert":
            assert len(ids) < 100_000, f"{len(ids)} ids"
            found.decode(ids)

    return Attack("tokenizers", f"{where} ({seed})", prepare, reading(read))


def _encoders(materials: Path, chance: Random) -> Attack:
    seed, file = chance.random(), chance.choice(("config.json", "config.json", "model.safetensors", "tokenizer.json"))

    def prepare(folder: Path) -> None:
        path = copied(materials / "models" / "bert", folder) / file
        if file.endswith("json"):
            path.write_bytes(bytes_for(of_json(path.read_text(encoding="utf-8"), Random(seed))[0]))
        else:
            path.write_bytes(crafted_safetensors(path.read_bytes(), Random(seed)))

    use = chance.choice((["trace", "bert", "to be", "--like", "a b"], ["trace", "bert", "to be"]))
    return Attack("encoders", f"{file} ({seed})", prepare, command(*use))


def _templates(materials: Path, chance: Random) -> Attack:
    source = chance.choice(hostile("templates"))
    if chance.random() < 0.5:
        content = bytes_for(source)
        source = of_bytes(content, chance)[0].decode("utf-8", "surrogateescape")

    def read() -> None:
        from kqv.interchange.chat_template import ChatTemplate

        print(visible(ChatTemplate(source, "<s>", "</s>").text([{"role": "user", "content": "hello"}])[:1000]))

    return Attack("templates", repr(source)[:300], lambda _: None, reading(read))


CRAFTED_MODELS: dict[str, Draw] = {"tokenizers-crafted": _tokenizers, "encoders": _encoders, "templates": _templates}
