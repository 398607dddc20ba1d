"""A part that no other program has is refused by its name in one line, and nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kqv.errors import Error
from kqv.interchange import gguf, hugging_face
from kqv.models.architecture import PARTS, Architecture
from kqv.models.families import FAMILIES
from kqv.models.gpt import GPT
from kqv.models.transformer import Transformer
from kqv.models.translator_architecture import PARTS as TRANSLATOR_PARTS
from kqv.models.translator_architecture import TranslatorArchitecture

FIELDS = ("score", "scale", "mask", "normaliser", "residual", "norm", "positions", "feed_forward")
EXPORTED = {
    "score": {"dot"}, "scale": {"sqrt"}, "mask": {"past"}, "normaliser": {"softmax"}, "residual": {"add"},
}  # fmt: skip
OTHERS = [(field, name) for field in FIELDS for name in PARTS[field] if name not in EXPORTED.get(field, set())]


@pytest.mark.parametrize(("field", "name"), OTHERS)
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_hugging_face_and_gguf(family: Any, field: str, name: str, tmp_path: Path) -> None:
    parts = {**family.parts, "context": 8, "width": 8, "heads": 2, "blocks": 1, "hidden": 8, field: name}
    model = GPT(7, Architecture(**parts))
    if not family.differences(model.architecture):
        return  # one that the family has
    said = name if name != "none" else "without"
    for write, where in ((hugging_face.write, "in Hugging Face's layout"), (gguf.write, "that llama.cpp computes")):
        with pytest.raises(Error, match=f"no model {where} has these parts") as refused:
            write(model, None, tmp_path / "model")
        assert said in str(refused.value)
        assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("field", "name"), OTHERS)
def test_ctranslate2(field: str, name: str) -> None:
    pytest.importorskip("ctranslate2", reason="the package ctranslate2 is not installed")
    from kqv.interchange.ctranslate2_spec import KNOWN, spec_of

    sizes = {"context": 8, "width": 8, "heads": 2, "hidden": 8, "encoder_blocks": 1, "decoder_blocks": 1}
    model = Transformer(7, None, TranslatorArchitecture(**sizes, **{field: name}))  # type: ignore[arg-type]
    if name in KNOWN[field]:
        spec_of(model)
        return
    with pytest.raises(Error, match=f"CTranslate2 has no {TRANSLATOR_PARTS[field].kind} '{name}'; train .* it has:"):
        spec_of(model)


def test_every_part_that_a_translator_has_is_known_or_refused() -> None:
    pytest.importorskip("ctranslate2", reason="the package ctranslate2 is not installed")
    from kqv.interchange.ctranslate2_spec import KNOWN

    assert set(KNOWN) == set(TRANSLATOR_PARTS)
