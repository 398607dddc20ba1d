"""Files written by somebody who has read their parsers: GGUF, safetensors, IDX, links, pipes, what changes meanwhile.

Sizes that overflow, counts that the file does not have, names that come twice, numbers that are none.
"""

from __future__ import annotations

import json
import math
import os
import struct
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

from arena import Attack
from hostility import bytes_for, hostile, reading
from kinds import Draw, command, copied
from mutations import DEEP, SIZES, of_bytes, of_json

SMALL = "--steps 1 --layers 1 --width 8 --heads 1 --out new"


def gguf_text(text: str | bytes, length: int | None = None) -> bytes:
    """A string as GGUF has it; `length`: another one than its own."""
    content = text if isinstance(text, bytes) else bytes_for(text)
    return struct.pack("<Q", len(content) if length is None else length) + content


def _gguf_value(chance: Random) -> bytes:
    kind = chance.choice((*range(14), 2**31))
    if kind == 8:
        return struct.pack("<I", 8) + gguf_text(chance.choice(("llama", "", "\x1b[31m", "\ud800", "x" * 70_000)))
    if kind == 9:
        inner, count = chance.choice((0, 4, 8, 9, 12, 99)), chance.choice((0, 1, 3, *SIZES))
        body = (
            gguf_text("a") * 3 if inner == 8 else struct.pack("<IQ", 9, 1) * 40 if inner == 9 else chance.randbytes(24)
        )
        return struct.pack("<IIQ", 9, inner, count % 2**64) + body
    return struct.pack("<I", kind) + chance.randbytes(8)


def crafted_gguf(content: bytes, chance: Random) -> bytes:
    """A GGUF file whose metadata or tensors are other ones, all else whole."""
    count_of_tensors, count_of_keys = struct.unpack("<QQ", content[8:24])
    keys = (
        "general.architecture", "general.alignment", "tokenizer.ggml.tokens", "tokenizer.ggml.merges",
        "tokenizer.ggml.token_type", "tokenizer.ggml.model", "tokenizer.chat_template", "llama.context_length",
        "gpt2.block_count", "split.count", "tokenizer.ggml.bos_token_id", "tokenizer.ggml.pre", "x" * 300, "",
        "llama.rope.freq_base", "qwen3.attention.head_count", "\x1b[31m",
    )  # fmt: skip
    kind = chance.randrange(5)
    if kind == 0:  # one key more, in front
        return (
            content[:16]
            + struct.pack("<Q", count_of_keys + 1)
            + gguf_text(chance.choice(keys))
            + _gguf_value(chance)
            + content[24:]
        )
    if kind == 1:  # counts
        counts = [chance.choice((0, 1, count_of_tensors, count_of_keys, *SIZES)) % 2**64 for _ in range(2)]
        return content[:8] + struct.pack("<QQ", *counts) + content[24:]
    if kind == 2:  # a known key renamed, so that it is missing or comes twice
        name = chance.choice([key for key in keys if key.encode() in content[:8000]] or ["general.architecture"])
        other = chance.choice([key for key in keys if len(key) == len(name)] + ["x" * len(name)])
        return content.replace(gguf_text(name), gguf_text(other), 1)
    if kind == 3:  # a file of one tensor
        sizes = (0, 1, 2, 32, 2**31, 2**32, 2**62, 2**63, 2**64 - 1)
        shape = [chance.choice(sizes) for _ in range(chance.choice((0, 1, 2, 4, 5, 9)))]
        tensor = gguf_text(chance.choice(("token_embd.weight", "", "a/../b", "\n"))) + struct.pack("<I", len(shape))
        tensor += b"".join(struct.pack("<Q", size) for size in shape)
        tensor += struct.pack(
            "<IQ", chance.choice((0, 1, 2, 8, 14, 30, 99)), chance.choice((0, 32, 7, 2**63, 2**64 - 32))
        )
        head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + gguf_text("general.architecture")
        return head + struct.pack("<I", 8) + gguf_text(chance.choice(("llama", "gpt2", "bert"))) + tensor + bytes(64)
    at = chance.randrange(24, min(len(content), 6000))
    return content[:at] + chance.randbytes(chance.choice((1, 2, 8))) + content[at:]


def _gguf(materials: Path, chance: Random) -> Attack:
    name, seed = f"{chance.choice(('gpt2', 'llama', 'qwen3'))}.gguf", chance.random()

    def prepare(folder: Path) -> None:
        content = (materials / "models" / name).read_bytes()
        (folder / name).write_bytes(crafted_gguf(content, Random(seed)))

    def read() -> None:
        from kqv.interchange import gguf
        from kqv.interchange.chat_template_files import chat_template_of

        gguf.outline(name)
        chat_template_of(Path(name))
        gguf.read(name)

    return Attack("gguf", f"{name} ({seed})", prepare, reading(read))


def crafted_safetensors(content: bytes, chance: Random) -> bytes:
    """A safetensors file with another description of one tensor, or of all."""
    length = struct.unpack("<Q", content[:8])[0]
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    names = [name for name in header if name != "__metadata__"]
    name, numbers = chance.choice(names), content[8 + length :]
    one = header[name]
    kind = chance.randrange(9)
    if kind == 0:
        one["dtype"] = chance.choice(
            (
                "F64",
                "F16",
                "BF16",
                "F8_E4M3",
                "F8_E5M2",
                "F8_E8M0",
                "F4",
                "U16",
                "U32",
                "U64",
                "C64",
                "BOOL",
                "I4",
                "",
                7,
            )
        )
        size = {"F64": 8, "F16": 2, "BF16": 2, "U16": 2, "U32": 4, "U64": 8, "C64": 8}.get(one["dtype"], 1)
        one["shape"] = [max(1, (one["data_offsets"][1] - one["data_offsets"][0]) // size)]
    elif kind == 1:
        one["shape"] = chance.choice(
            (
                [],
                [0],
                [0, 2**63],
                [2**32, 2**32],
                [-1],
                [1.5],
                [2**64],
                [1] * 70,
                [1] * 5000,
                "x",
                None,
                one["shape"][::-1],
            )
        )
    elif kind == 2:
        one["data_offsets"] = chance.choice(
            ([0, 0], [0, 2**63], [2**64 - 1, 0], [8, 4], [-4, 4], [0, len(numbers) * 2], [0, len(numbers)], [0], None)
        )
    elif kind == 3:
        header[chance.choice(("\x1b[31m", "\u202e", "x" * 100_000, "", "a.b", "__metadata__ "))] = header.pop(name)
    elif kind == 4:
        header["__metadata__"] = chance.choice(
            (None, {}, {"kqv": "{}"}, {"kqv": "[]"}, {"kqv": DEEP}, {"kqv": '{"seal": 7}'},
             {"kqv": '{"seal": {"sha256": 1}}'},
             {"kqv": "\ud800"}, {"format": 7}, {"format": "tf"}, {"x": "y" * 100_000}, {"kqv": '{"a": 1e999}'}, [])
        )  # fmt: skip
    elif kind == 5:
        numbers = struct.pack("<f", chance.choice((math.nan, math.inf, -math.inf, -0.0, 3e38))) * (len(numbers) // 4)
    elif kind == 6:
        header = {name: one}
        one["data_offsets"], one["shape"], one["dtype"] = [0, 0], [0], "F32"
        numbers = b""
    elif kind == 7:
        numbers = numbers[: chance.randrange(len(numbers))]
    else:
        text = bytes_for(of_json(json.dumps(header), chance)[0])
        return struct.pack("<Q", chance.choice((len(text), *SIZES)) % 2**64) + text + numbers
    text = bytes_for(json.dumps(header))
    return struct.pack("<Q", len(text)) + text + numbers


def _tensors(materials: Path, chance: Random) -> Attack:
    seed, where = (
        chance.random(),
        chance.choice(("models/gpt2", "models/llama", "models/bert", "run-gpt", "run-digits")),
    )
    name = chance.choice(("model", "model", "checkpoint")) if where.startswith("run") else "model"

    def prepare(folder: Path) -> None:
        path = copied(materials / where, folder).rename(folder / "it") / f"{name}.safetensors"
        path.write_bytes(crafted_safetensors(path.read_bytes(), Random(seed)))

    def read() -> None:
        import kqv
        from kqv.interchange import bert, hugging_face
        from kqv.tensors import read_tensors

        if where == "models/bert":
            bert.read("it")
        elif where.startswith("models"):
            hugging_face.outline("it")
            hugging_face.read("it")
        elif name == "checkpoint":
            read_tensors(Path("it/checkpoint.safetensors"))
        else:
            kqv.load("it")

    return Attack("tensors", f"{where}, {name} ({seed})", prepare, reading(read))


def crafted_idx(chance: Random) -> bytes:
    """An IDX file whose sizes are as they cannot be."""
    dimensions = chance.choice((0, 1, 2, 3, 4, 7, 31, 32, 33, 64, 255))
    sizes = [chance.choice((0, 1, 2, 3, 28, 255, 2**16, 2**31, 2**32 - 1)) for _ in range(dimensions)]
    count = math.prod(sizes)
    body = bytes(count) if count < 1 << 20 else chance.randbytes(chance.randrange(100))
    kind = chance.choice((8, 8, 8, 9, 11, 14, 0))
    head = bytes((0, chance.choice((0, 0, 0, 1)), kind, dimensions)) + struct.pack(f">{dimensions}I", *sizes)
    return head + body[: chance.choice((None, -1, 5))]


def _idx(materials: Path, chance: Random) -> Attack:
    pictures, labels = crafted_idx(chance), crafted_idx(chance)
    if chance.random() < 0.3:
        pictures = of_bytes((materials / "pictures.idx").read_bytes(), chance, 24)[0]

    def read() -> None:
        from kqv.data.idx import read_labelled

        read_labelled(pictures, labels, ("pictures.idx", "labels.idx"), 10)

    def read_one() -> None:
        from kqv.data.idx import read_idx

        read_idx(pictures, "pictures.idx")

    return Attack("idx", f"{pictures[:40].hex()}", lambda _: None, reading(chance.choice((read, read_one))))


def _links(materials: Path, chance: Random) -> Attack:
    """Something in a file's place that is none, or one that changes while it is read."""
    target, kind = chance.choice(hostile("targets")), chance.randrange(9)

    def prepare(folder: Path) -> None:
        copied(materials / "run-gpt", folder).rename(folder / "run")
        for name in ("picture.png", "text.txt", "pairs.tsv", "models/gpt2", "models/gpt2.gguf"):
            copied(materials / name, folder)
        path = folder / target
        content = path.read_bytes() if path.exists() else b""
        path.unlink(missing_ok=True)
        if kind == 0:
            path.symlink_to(path)
        elif kind == 1:
            path.symlink_to("/nowhere/at/all")
        elif kind == 2:
            path.symlink_to(chance_of("/dev/zero", "/dev/null", "/dev/stdin", "/proc/self/mem", "/proc/self/environ"))
        elif kind == 3:
            os.mkfifo(path)
        elif kind == 4:
            path.mkdir()
        elif kind == 5:
            path.write_bytes(b"")
        elif kind == 6:
            path.write_bytes(content)
            path.chmod(0)
        elif kind == 7:
            path.symlink_to("..")
        else:
            path.write_bytes(content)

    def chance_of(*names: str) -> str:
        return Random(f"{target}{kind}").choice(names)

    use = {
        "run": "generate run --tokens 2", "pic": "classify run picture.png",
        "tex": f"train gpt --data text.txt --context 8 {SMALL}", "pai": f"train translate --data pairs.tsv {SMALL}",
        "gpt": f"generate {target.partition('/')[0]} --tokens 2 --prompt To",
    }[target[:3]]  # fmt: skip
    if target.startswith("run/") and chance.random() < 0.5:
        use = chance.choice(("runs .", "runs . --json", "train gpt --resume run --steps 3", "evaluate run"))

    def act() -> None:
        if kind == 8:
            threading.Thread(target=_shrink, args=(Path(target).absolute(),), daemon=True).start()
        command(*use.split())()

    return Attack("links", f"{target}, {kind}: {use}", prepare, act, keeps=kind != 8 and not use.startswith("train"))


def _shrink(path: Path) -> None:
    """Cut a file off, again and again, and let it grow."""
    for _ in range(40):
        try:
            size = path.stat().st_size
            os.truncate(path, size // 2)
            time.sleep(0.002)
            os.truncate(path, size)
        except OSError:
            return


CRAFTED_FILES: dict[str, Draw] = {"gguf-crafted": _gguf, "tensors": _tensors, "idx-crafted": _idx, "links": _links}
