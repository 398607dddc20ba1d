"""Translators as files of ONNX: in onnxruntime the same logits, with the cache step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("onnx", reason="onnx is not installed (pip install kqv[onnx])")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (pip install kqv[onnx])")

import onnx
from onnx_engine import session_of
from small_models import stirred, tokenizers

from kqv.data.parallel.sentences import Sentences
from kqv.errors import Error
from kqv.interchange.ctranslate2 import Translator
from kqv.interchange.onnx import write_translator
from kqv.models.transformer import Transformer
from kqv.models.translator_architecture import TranslatorArchitecture

SIZES: dict[str, Any] = {
    "context": 40, "width": 24, "heads": 4, "hidden": 32, "encoder_blocks": 2, "decoder_blocks": 2,
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "the first Transformer": {},
    "pre-norm, separate tables": {
        "block": "pre-norm", "tables": "separate", "positions": "rotary", "norm": "rms", "feed_forward": "swiglu",
    },
    "other parts": {
        "tables": "tied", "positions": "alibi", "score": "cosine", "normaliser": "sigmoid", "mask": "window",
        "window": 3,
    },
    "additive scores": {"score": "additive", "normaliser": "softmax1", "positions": "learned", "bias": False},
}  # fmt: skip


def translator_of(name: str) -> Translator:
    """A small one whose source is characters, and its target too or bytes."""
    source, other = (Sentences(tokenizers()[kind]) for kind in ("characters", "bytes"))
    chosen = TranslatorArchitecture(**SIZES, **MODELS[name])
    target = source if chosen.tables == "shared" else other
    model = stirred(Transformer(target.size, None if target is source else source.size, chosen))
    return Translator(model, source, target)


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_logits_are_the_same_step_by_step(name: str, tmp_path: Path) -> None:
    translator = translator_of(name)
    model = translator.model
    files = write_translator(translator, tmp_path / "model")
    joint = translator.source is translator.target
    tables = {"tokenizer.json"} if joint else {"source_tokenizer.json", "target_tokenizer.json"}
    assert {*files} == {"encoder_model.onnx", "decoder_model.onnx"} | tables
    for file in ("encoder_model.onnx", "decoder_model.onnx"):
        onnx.checker.check_model(str(tmp_path / "model" / file), full_check=True)
    encoder, decoder = (session_of(tmp_path / "model" / f"{part}_model.onnx") for part in ("encoder", "decoder"))
    chance = torch.Generator().manual_seed(1)
    source = torch.randint(translator.source.size, (2, 9), generator=chance)
    target = torch.randint(translator.target.size, (2, 12), generator=chance)
    present = torch.ones(2, 9, dtype=torch.bool)
    present[0, 6:] = False  # padding
    expected = model(source, target, present).numpy()
    assert float(np.abs(expected).max()) > 0.5

    mask = present.long().numpy()
    names = [it.name for it in encoder.get_outputs()]
    first, *kept = encoder.run(None, {"input_ids": source.numpy(), "attention_mask": mask})
    np.testing.assert_allclose(first[1], model.encode(source, present)[1].numpy(), atol=1e-4, rtol=0)
    given = dict(zip([name.replace("present", "past_key_values") for name in names[1:]], kept, strict=True))
    cache = {it.name: np.zeros((2, 4, 0, 6), np.float32) for it in decoder.get_inputs() if ".decoder." in it.name}
    found, end = [], 0
    for size in (5, 1, 6):
        ids, end = target[:, end : end + size].numpy(), end + size
        logits, *after = decoder.run(None, {"input_ids": ids, "encoder_attention_mask": mask, **given, **cache})
        cache = dict(zip(cache, after, strict=True))
        found.append(logits)
    np.testing.assert_allclose(np.concatenate(found, 1), expected, atol=1e-4, rtol=0)


def test_what_is_not_written_is_refused_by_name(tmp_path: Path) -> None:
    translator = translator_of("the first Transformer")
    leaking = Transformer(translator.target.size, None, TranslatorArchitecture(**SIZES, mask="none"))
    with pytest.raises(Error, match="with the mask 'none' positions see later ones"):
        write_translator(Translator(leaking, translator.source, translator.target), tmp_path / "model")
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(Error, match="is not empty; choose a new folder"):
        write_translator(translator, tmp_path)
