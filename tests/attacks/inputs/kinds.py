"""The kinds of attacks: each draws one at a time from healthy materials and a seeded chance."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

from arena import Attack
from materials import FORMS, USES
from mutations import of_bytes, of_json, of_safetensors

from kqv.cli.main import main
from kqv.data.idx import read_idx
from kqv.errors import Error

Draw = Callable[[Path, Random], Attack]


def command(*words: str) -> Callable[[], None]:
    """The command line with these words, as somebody types them."""
    return lambda: main(list(words))


def copied(source: Path, folder: Path) -> Path:
    """A file or folder, copied into a folder."""
    target = folder / source.name
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
    return target


def _rewritten(path: Path, chance: Random) -> str:
    """Change one file by what it is; what was done."""
    if path.suffix in (".json", ".jsonl") and path.stat().st_size:
        first, *rest = path.read_text(encoding="utf-8").split("\n") if path.suffix == ".jsonl" else [path.read_text()]
        text, done = of_json(first, chance)
        path.write_bytes("\n".join([text, *rest]).encode("utf-8", "surrogatepass"))
    elif path.suffix == ".safetensors":
        content, done = of_safetensors(path.read_bytes(), chance)
        path.write_bytes(content)
    else:
        content, done = of_bytes(path.read_bytes(), chance, 4096)
        path.write_bytes(content)
    return f"{path.name}: {done}"


def _runs(materials: Path, chance: Random) -> Attack:
    system = chance.choice(list(USES))
    seed, use = chance.random(), chance.choice(USES[system])
    file = chance.choice(sorted(path.name for path in (materials / f"run-{system}").iterdir()))
    words = ["train", system, "--resume", "run", "--steps", "3"] if chance.random() < 0.3 else [use[0], "run", *use[1:]]
    words = ["runs", "--json"] if chance.random() < 0.1 else words

    def prepare(folder: Path) -> None:
        run = copied(materials / f"run-{system}", folder).rename(folder / "run")
        copied(materials / "picture.png", folder)
        _rewritten(run / file, Random(seed))

    done = f"run of {system}, {file} ({seed}): {' '.join(words)}"
    return Attack("runs", done, prepare, command(*words), keeps=words[0] not in ("train", "export"))


def _folders(materials: Path, chance: Random) -> Attack:
    family = chance.choice(("gpt2", "llama", "qwen3"))
    files = ("config.json", "model.safetensors", "tokenizer_config.json", "generation_config.json")
    return _of_model(materials, chance, "folders", family, chance.choice(files))


def _tokenizers(materials: Path, chance: Random) -> Attack:
    return _of_model(materials, chance, "tokenizers", chance.choice(("gpt2", "llama")), "tokenizer.json")


def _of_model(materials: Path, chance: Random, kind: str, family: str, file: str) -> Attack:
    seed = chance.random()

    def prepare(folder: Path) -> None:
        _rewritten(copied(materials / "models" / family, folder) / file, Random(seed))

    words = chance.choice((["generate", family, "--tokens", "2", "--prompt", "To be"], ["trace", family, "To be"]))
    return Attack(kind, f"{family}, {file} ({seed}): {' '.join(words)}", prepare, command(*words))


def _gguf(materials: Path, chance: Random) -> Attack:
    name, seed = f"{chance.choice(('gpt2', 'llama', 'qwen3'))}.gguf", chance.random()

    def prepare(folder: Path) -> None:
        path = copied(materials / "models" / name, folder)
        path.write_bytes(of_bytes(path.read_bytes(), Random(seed), 2500)[0])

    return Attack("gguf", f"{name} ({seed})", prepare, command("generate", name, "--tokens", "2", "--prompt", "To be"))


def _pictures(materials: Path, chance: Random) -> Attack:
    name, seed = f"picture.{chance.choice(FORMS)}", chance.random()

    def prepare(folder: Path) -> None:
        copied(materials / "run-digits", folder)
        path = copied(materials / name, folder)
        path.write_bytes(of_bytes(path.read_bytes(), Random(seed), 200)[0])

    return Attack("pictures", f"{name} ({seed})", prepare, command("classify", "run-digits", name))


def _idx(materials: Path, chance: Random) -> Attack:
    seed = chance.random()

    def prepare(folder: Path) -> None:
        content = (materials / "pictures.idx").read_bytes()
        (folder / "pictures.idx").write_bytes(of_bytes(content, Random(seed), 24)[0])

    def read() -> None:
        try:
            read_idx(Path("pictures.idx").read_bytes(), "pictures.idx")
        except Error as failure:
            print(f"error: {failure}")
            raise SystemExit(1) from None

    return Attack("idx", f"({seed})", prepare, read)


def _texts(materials: Path, chance: Random) -> Attack:
    seed = chance.random()
    small = ("--steps", "1", "--layers", "1", "--width", "8", "--heads", "1", "--context", "8", "--out", "run")
    words = ["train", "gpt", "--data", "text.txt", *small, "--tokenizer", chance.choice(("characters", "bytes", "bpe"))]

    def prepare(folder: Path) -> None:
        (folder / "text.txt").write_bytes(_other_lines((materials / "text.txt").read_bytes(), Random(seed)))

    return Attack("texts", f"({seed}): {' '.join(words)}", prepare, command(*words))


def _pairs(materials: Path, chance: Random) -> Attack:
    seed = chance.random()
    small = ("--steps", "1", "--layers", "1", "--width", "8", "--heads", "1", "--out", "run")

    def prepare(folder: Path) -> None:
        (folder / "pairs.tsv").write_bytes(_other_lines((materials / "pairs.tsv").read_bytes(), Random(seed)))

    return Attack("pairs", f"({seed})", prepare, command("train", "translate", "--data", "pairs.tsv", *small))


def _other_lines(content: bytes, chance: Random) -> bytes:
    """A text of lines as nobody expects it."""
    strange = (
        b"", b"\n" * 1000, b"\0" * 1000, b"\xff\xfe" + content, b"\xef\xbb\xbf" + content, b"\xed\xa0\x80" * 100,
        content.replace(b"\n", b"\r"), content.replace(b"\n", b"\r\n"), content.replace(b"\n", b""), content[:1],
        content.replace(b"\t", b""), content.replace(b"\t", b"\t\t"), b"\t\n" * 500, b"a" * 300_000,
        b"\n".join([content[:9]] * 9),
        "\u2028\x85\x0b\x0c\u0301".encode() * 500, "\U0010ffff".encode() * 1000,
        chance.randbytes(5000), b"%PDF-" + content,
    )  # fmt: skip
    return of_bytes(content, chance)[0] if chance.random() < 0.4 else chance.choice(strange)


KINDS: dict[str, Draw] = {
    "runs": _runs, "folders": _folders, "tokenizers": _tokenizers, "gguf": _gguf, "pictures": _pictures, "idx": _idx,
    "texts": _texts, "pairs": _pairs,
}  # fmt: skip
"""What draws an attack of each kind."""
