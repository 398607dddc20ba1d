"""A fuzzer guided by coverage over the parsers: `python tests/attacks --kinds fuzz [--executions N] [--seed N]`.

It is Atheris (libFuzzer for Python, kept by Google): it sees which branches of the parsers an input reaches, keeps the
inputs that reach new ones, and knows what they compare with. Hypothesis draws from a grammar, but is not guided by
branches; python-afl needs AFL's own compiler on the machine. It is optional: `pip install "kqv[fuzz]"`.

Each parser is fuzzed in a process of its own (`python tests/attacks/inputs/fuzz.py PARSER …`), as libFuzzer ends the
process. An input falls where anything but kqv's own `Error` comes out, after 20 seconds, or with more than 2 GB.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS, MEGABYTES = 20, 2048
LONGEST = 4096  # bytes of an input


@dataclass(frozen=True)
class Parser:
    """What is fuzzed: the modules whose branches count, healthy inputs to begin from, and what reads one."""

    modules: tuple[str, ...]
    seeds: Callable[[Path], Sequence[bytes]]
    reader: Callable[[], Callable[[bytes, Path], object]]


def missing() -> str:
    """Why nothing can be fuzzed here; empty where it can."""
    return "" if importlib.util.find_spec("atheris") else "Atheris is not here: pip install 'kqv[fuzz]'"


def fuzz(executions: int, materials: Path, seed: int, name: str) -> tuple[int, str, float]:
    """Fuzz one parser; how many inputs were tried, what fell (empty: nothing), and how many seconds it computed."""
    parser = PARSERS[name]
    with tempfile.TemporaryDirectory(prefix="kqv-fuzz-") as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for number, content in enumerate(parser.seeds(materials)):
            (corpus / str(number)).write_bytes(content)
        begin = os.times()
        done = subprocess.run(
            [
                sys.executable, __file__, name, f"-runs={executions}", f"-seed={seed}", f"-timeout={SECONDS}",
                f"-rss_limit_mb={MEGABYTES}", f"-max_len={LONGEST}", f"-artifact_prefix={folder}/fell-", str(corpus),
            ],
            capture_output=True, text=True, errors="replace", cwd=folder,
        )  # fmt: skip
        end = os.times()
        tried = max([int(count) for count in re.findall(r"#(\d+)\s", done.stderr)], default=0)
        fell = ""
        if done.returncode:
            kept = next(iter(sorted(Path(folder).glob("fell-*"))), None)
            content = "" if kept is None else f" of {kept.read_bytes()[:300]!r}"
            fell = _reason(done.stderr) + content
        return tried, fell, end.children_user + end.children_system - begin.children_user - begin.children_system


def _reason(printed: str) -> str:
    lines = [line for line in printed.splitlines() if line.strip()]
    found = [
        line for line in lines if re.match(r"\s*(\w+\.)*\w*(Error|Exception|Exit|Interrupt)\b|.*ERROR: libFuzzer", line)
    ]
    return (found or lines or ["it ended without a word"])[0].strip()[:300]


# Healthy inputs -------------------------------------------------------------------------------------------------------


def _file(*names: str) -> Callable[[Path], list[bytes]]:
    return lambda materials: [(materials / name).read_bytes()[:LONGEST] for name in names]


def _gguf_seeds(materials: Path) -> list[bytes]:
    from crafted_files import gguf_text

    def of(kind: int, value: bytes) -> bytes:
        return gguf_text("general.architecture") + struct.pack("<I", kind) + value

    keys = (of(8, gguf_text("llama")), of(4, bytes(4)), of(9, struct.pack("<IQ", 8, 2) + gguf_text("a") * 2))
    tensor = gguf_text("token_embd.weight") + struct.pack("<IQQIQ", 2, 2, 2, 0, 0)
    return [b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + key + tensor + bytes(64) for key in keys]


def _tensor_seeds(materials: Path) -> list[bytes]:
    header = json.dumps({
        "__metadata__": {"kqv": '{"step": 1, "seal": {"sha256": "x", "run": null}}'},
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "BF16", "shape": [2, 1], "data_offsets": [8, 12]},
    }).encode()  # fmt: skip
    return [struct.pack("<Q", len(header)) + header + bytes(12)]


def _idx_seeds(materials: Path) -> list[bytes]:
    return [
        (materials / "pictures.idx").read_bytes(),
        bytes((0, 0, 8, 1, 0, 0, 0, 2, 5, 6)),
        bytes((0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 9)),
    ]


def _small_tokenizers(materials: Path) -> list[bytes]:
    """Tokenizers whose vocabulary fits into an input."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    from kqv.data.text.characters import Characters

    pairs = Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]))
    pairs.pre_tokenizer, pairs.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    words = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2}, unk_token="[UNK]"))
    return [pairs.to_str().encode(), words.to_str().encode(), Characters("ab ").to_json().encode()]


def _toml_seeds(materials: Path) -> list[bytes]:
    from crafted_words import QUESTION
    from hostility import hostile

    return [json.dumps(QUESTION).encode(), *(text.replace("VALUE", "0.1").encode() for text in hostile("toml"))]


def _template_seeds(materials: Path) -> list[bytes]:
    return [
        b"{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m['content'] | trim }}\n{% endfor %}",
        b"{%- if messages[0].role == 'user' -%}{{ raise_exception('no') }}{% else %}{{ 'a' ~ 1 * 2 }}{% endif %}",
        b"{% macro f(x) %}{{ x | tojson }}{% endmacro %}{{ f(messages) }}{% set n = namespace(a=1) %}{% set n.a = 2 %}",
    ]


def _request_seeds(materials: Path) -> list[bytes]:
    bodies: tuple[dict[str, Any], ...] = (
        {"model": "x", "prompt": ["a", "b"], "max_tokens": 2, "logprobs": 2, "stop": ["x"], "seed": 1, "stream": True,
         "stream_options": {"include_usage": True}},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}], "top_logprobs": 2,
         "logprobs": True, "temperature": 0.5, "n": 2},
    )  # fmt: skip
    return [json.dumps(body).encode() for body in bodies]


# What reads one -------------------------------------------------------------------------------------------------------


def _in_a_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    def parse(content: bytes, folder: Path) -> object:
        (folder / name).write_bytes(content)
        return read(folder)

    return parse


def _gguf() -> Callable[[bytes, Path], object]:
    from kqv.interchange import gguf_file

    def read(folder: Path) -> None:
        found = gguf_file.opened(folder / "x.gguf")
        for name in list(found.extents)[:3]:
            found.read(name)

    return _in_a_file("x.gguf", read)


def _tensors() -> Callable[[bytes, Path], object]:
    from kqv.interchange.tensor_files import TensorFiles
    from kqv.tensors import read_tensors

    def read(folder: Path) -> None:
        files = TensorFiles(folder, "config.json")
        for name in files.names():
            files.shape(name)
        read_tensors(folder / "model.safetensors")

    return _in_a_file("model.safetensors", read)


def _idx() -> Callable[[bytes, Path], object]:
    from kqv.data.idx import read_labelled

    half = bytes((0, 0, 8, 1, 0, 0, 0, 2, 5, 6))
    return lambda content, _: read_labelled(content, half, ("a", "b"), 10)


def _tokenizer() -> Callable[[bytes, Path], object]:
    from kqv.interchange import bert, library_tokenizer

    def read(folder: Path) -> None:
        from kqv.errors import Error

        for load in (library_tokenizer.load, bert.read_tokenizer):
            try:
                found: Any = load(folder)
                found.encode("ab a 𝕏\n")
            except Error:
                continue

    return _in_a_file("tokenizer.json", read)


def _config() -> Callable[[bytes, Path], object]:
    from kqv.errors import Error
    from kqv.interchange import bert, hugging_face
    from kqv.training.run import Run

    def read(folder: Path) -> None:
        for use in (
            lambda: hugging_face.is_model(folder) and hugging_face.outline(folder),
            lambda: bert.is_encoder(folder) and bert.outline(folder),
            lambda: Run(folder).config,
        ):  # fmt: skip
            try:
                use()
            except Error:
                continue

    return _in_a_file("config.json", read)


def _question() -> Callable[[bytes, Path], object]:
    from kqv.experiments.question import read_question, variants_of
    from kqv.files import json_text
    from kqv.systems.system import system_named

    def read(folder: Path) -> None:
        found = read_question(folder / "x.toml")
        recipe = system_named(found.system).recipes
        json_text(found.model_dump(mode="json"))
        variants_of(found, {name: next(iter(recipe.values()))() for name in (*found.recipes, None)})

    return _in_a_file("x.toml", read)


def _pairs() -> Callable[[bytes, Path], object]:
    from kqv.data.parallel.load import load_parallel

    def read(folder: Path) -> None:
        load_parallel(folder / "x.tsv").describe()

    return _in_a_file("x.tsv", read)


def _text() -> Callable[[bytes, Path], object]:
    from kqv.data.text.corpora import load_text

    def read(folder: Path) -> None:
        found = load_text(folder / "x.txt")
        _ = (found.train, found.validation, found.describe())

    return _in_a_file("x.txt", read)


def _template() -> Callable[[bytes, Path], object]:
    from kqv.interchange.chat_template import ChatTemplate

    def read(content: bytes, _: Path) -> object:
        source = content.decode("utf-8", "surrogateescape")
        return ChatTemplate(source, "<s>").text([{"role": "user", "content": "hello"}])

    return read


def _request() -> Callable[[bytes, Path], object]:
    from pydantic import ValidationError

    from kqv.files import parsed_json
    from kqv.server.requests import ChatRequest, CompletionRequest

    def read(content: bytes, _: Path) -> None:
        for kind in (CompletionRequest, ChatRequest):
            try:
                found: Any = kind.model_validate(parsed_json(content.decode("utf-8")))
                _ = (
                    found.stops,
                    found.sampling,
                    found.tells_usage,
                    getattr(found, "prompts", 0),
                    getattr(found, "most", 0),
                )
            except (ValidationError, ValueError, RecursionError):
                continue

    return read


def _measurements() -> Callable[[bytes, Path], object]:
    from kqv.training.run import Run

    return _in_a_file("metrics.jsonl", lambda folder: Run(folder).metrics())


PARSERS: dict[str, Parser] = {
    "gguf": Parser(("kqv.interchange.gguf_file",), _gguf_seeds, _gguf),
    "safetensors": Parser(("kqv.tensors", "kqv.interchange.tensor_files"), _tensor_seeds, _tensors),
    "idx": Parser(("kqv.data.idx",), _idx_seeds, _idx),
    "tokenizer": Parser(("kqv.data.text", "kqv.interchange.library_tokenizer"), _small_tokenizers, _tokenizer),
    "config": Parser(("kqv.interchange", "kqv.models.architecture", "kqv.training.run"),
        _file(*(f"models/{name}/config.json" for name in ("gpt2", "llama", "qwen3", "bert")), "run-gpt/config.json"),
        _config,
    ),
    "question": Parser(("tomllib", "kqv.experiments.question", "kqv.systems.fields"), _toml_seeds, _question),
    "pairs": Parser(("kqv.data.parallel",), _file("pairs.tsv"), _pairs),
    "text": Parser(("kqv.data.text.corpora", "kqv.data.text.pieces"), _file("text.txt"), _text),
    "template": Parser(("jinja2.lexer", "jinja2.parser", "kqv.interchange.bounded_jinja"), _template_seeds, _template),
    "request": Parser(("kqv.server.requests", "kqv.server.body", "json"), _request_seeds, _request),
    "measurements": Parser(("kqv.training.lines",), _file("run-gpt/metrics.jsonl"), _measurements),
}  # fmt: skip


def _main() -> None:
    """The process of one parser: `fuzz.py PARSER` and libFuzzer's options."""
    import atheris

    name, *options = sys.argv[1:]
    parser = PARSERS[name]
    with atheris.instrument_imports(include=list(parser.modules), enable_loader_override=False):
        parse = parser.reader()
    from kqv.errors import Error

    folder = Path(tempfile.mkdtemp(prefix="kqv-fuzzed-", dir="."))

    def once(content: bytes) -> None:
        try:
            parse(content, folder)
        except Error as failure:
            if not str(failure).strip():
                raise AssertionError("an error without a word") from None

    atheris.Setup([sys.argv[0], *options], once)
    atheris.Fuzz()


if __name__ == "__main__":
    _main()
