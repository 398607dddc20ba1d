"""The real model in onnxruntime: SmolLM2, read as a GGUF file and written as ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("onnx", reason="onnx is not installed (pip install kqv[onnx])")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (pip install kqv[onnx])")

from onnx_engine import Engine

from kqv.data.sources import SOURCES, find
from kqv.interchange.gguf import read
from kqv.interchange.onnx import write_gpt

TEXT = "Zwölf Boxkämpfer jagen Viktor. def mean(values):\n    return sum(values) / len(values)  # 1984 数学 🦊\n\n »Ja«"
LEAD, TOKENS = "A neural network is", 12


@torch.no_grad()
def test_logits_and_greedy_text_are_the_same(tmp_path: Path) -> None:
    source = SOURCES["smollm2"]
    found = find(source, source.files[0])
    if found is None:
        pytest.skip("SmolLM2 is not here: kqv data fetch smollm2, or set KQV_DATA to a folder that has it")
    model, tokenizer = read(found)
    assert tokenizer is not None
    write_gpt(model, tokenizer, tmp_path / "model.onnx")
    engine = Engine(tmp_path / "model.onnx")
    (tmp_path / "model.onnx").unlink()
    ids = tokenizer.encode(TEXT).astype(np.int64)[None]
    expected = model(torch.from_numpy(ids)).numpy()
    assert float(expected.std()) > 1
    worst = {"atol": 1e-4, "rtol": 2e-6}  # logits go up to 40, and both sides are some 1e-4 from float64's there
    np.testing.assert_allclose(engine.logits(ids), expected, **worst)
    np.testing.assert_allclose(engine.logits(ids, [20, 1, 1, ids.shape[1] - 22]), expected, **worst)

    written = tokenizer.encode(LEAD).astype(np.int64)[None]
    logits, cache = engine.advance(written, np.ones_like(written), engine.begin(1))
    for _ in range(TOKENS):
        written = np.concatenate((written, logits[:, -1:].argmax(-1)), 1)
        logits, cache = engine.advance(written[:, -1:], np.ones_like(written), cache)
    first = len(tokenizer.encode(LEAD))
    assert written[0, first:].tolist() == model(torch.from_numpy(written))[0, first - 1 : -1].argmax(-1).tolist()
