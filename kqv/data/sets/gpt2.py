"""GPT-2's byte-pair encoding: its vocabulary and its merges."""

from __future__ import annotations

from kqv.data.sets.table import File, Source, add

SOURCE = Source(
    name="gpt2",
    title="GPT-2's byte-pair encoding, 50,257 tokens",
    kind="vocabulary",
    licence="MIT (modified)",
    homepage="https://github.com/openai/gpt-2",
    folder="gpt2",
    files=(
        File(
            "encoder.json",
            (
                "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/encoder.json",
                "https://huggingface.co/openai-community/gpt2/resolve/main/vocab.json",
            ),
            "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
            1_042_301,
        ),
        File(
            "vocab.bpe",
            (
                "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/vocab.bpe",
                "https://huggingface.co/openai-community/gpt2/resolve/main/merges.txt",
            ),
            "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
            456_318,
        ),
    ),
)

add(SOURCE)
