"""Exchangeable parts of an encoder-decoder: decoded with a cache or without, explained, and refused by CTranslate2."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kqv.errors import Error
from kqv.generation.beam_search import BeamSearch, beam_search
from kqv.models.normalisers import NORMALISERS
from kqv.models.scores import SCORES
from kqv.models.transformer import Transformer
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.trace.trace import Trace

PARTS: list[dict[str, Any]] = [
    *({"score": score} for score in SCORES),
    *({"normaliser": normaliser} for normaliser in NORMALISERS),
    {"scale": "learned"},
    {"scale": "none"},
    {"mask": "window", "window": 3},
    {"positions": "alibi"},
    {"norm": "none"},
    {"residual": "none"},
]
LEAKS: list[dict[str, Any]] = [{"mask": "none"}, {"mask": "future", "score": "squared"}]


def spoken(parts: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in parts.items())


def transformer(block: str = "pre-norm", **parts: Any) -> Transformer:
    torch.manual_seed(1)
    sizes = {"context": 16, "width": 16, "heads": 2, "hidden": 24, "encoder_blocks": 1, "decoder_blocks": 2}
    model = Transformer(19, None, TranslatorArchitecture(**sizes, dropout=0.0, block=block, **parts))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.double().eval()


def texts() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Source, which of it is present, and target."""
    random = torch.Generator().manual_seed(2)
    source, target = (torch.randint(3, 19, (3, length), generator=random) for length in (7, 9))
    return source, torch.arange(7) < torch.tensor([7, 4, 6])[:, None], target


@pytest.mark.parametrize("block", ["pre-norm", "post-norm"])
@pytest.mark.parametrize("parts", PARTS, ids=spoken)
def test_decoding_with_a_cache_is_the_whole_pass(parts: dict[str, Any], block: str) -> None:
    model, (source, present, target) = transformer(block, **parts), texts()
    with torch.no_grad():
        whole = model(source, target, present)
        encoded, cache = model.encode(source, present), model.new_cache(3)
        pieces = [model.decode(target[:, at : at + 1], encoded, present, cache) for at in range(9)]
    torch.testing.assert_close(torch.cat(pieces, 1), whole, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("parts", [*PARTS, *LEAKS], ids=spoken)
def test_it_trains_and_its_numbers_are_explained(parts: dict[str, Any]) -> None:
    model, (source, present, target) = transformer(**parts).float(), texts()
    with Trace(model) as trace:
        model.loss(model(source, target[:, :5], present), target[:, 1:6]).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    for place in ("encoder.blocks.0.attention", "decoder.blocks.1.attention", "decoder.blocks.1.cross_attention"):
        for cell in (f"{place}.scores[1,0,2,3]", f"{place}.weights[1,0,2,1]", f"grad:{place}.scores[1,1,3,2]"):
            assert trace.cell(cell).agrees, cell


def greedy(model: Transformer, source: list[int], most: int) -> list[int]:
    """What it writes, by whole passes alone, until token 2 ends it; not with the first token."""
    written = [1]
    for length in range(most):
        with torch.no_grad():
            logits = model(torch.tensor([source]), torch.tensor([written]))[0, -1]
        if not length:
            logits[2] = float("-inf")
        if int(logits.argmax()) == 2:
            break
        written.append(int(logits.argmax()))
    return written[1:]


@pytest.mark.parametrize("parts", [*PARTS, *LEAKS], ids=spoken)
def test_it_writes_with_any_part_even_without_a_cache(parts: dict[str, Any]) -> None:
    model = transformer(**parts)
    sources = [[4, 5, 6, 7, 2], [9, 3, 2]]
    found = beam_search(model, sources, 1, 2, BeamSearch(beams=1, longest=6))
    assert [list(rows[0].ids) for rows in found] == [greedy(model, source, 6) for source in sources]
    assert all(beam_search(model, sources, 1, 2, BeamSearch(beams=3, longest=6)))


@pytest.mark.parametrize("parts", [*PARTS, *LEAKS], ids=spoken)
def test_it_says_what_it_is_made_of(parts: dict[str, Any]) -> None:
    said = transformer(**parts).describe()
    for field in ("score", "scale", "mask", "normaliser", "residual"):
        usual = {"score": "dot", "mask": "past", "normaliser": "softmax", "residual": "add"}.get(field)
        assert (f"{parts.get(field)} {field}" in said) == (parts.get(field) not in (None, usual))


@pytest.mark.parametrize("parts", LEAKS, ids=spoken)
def test_nothing_is_kept_where_positions_see_later_ones(parts: dict[str, Any]) -> None:
    model = transformer(**parts)
    assert model.sees_later
    with pytest.raises(Error, match=f"mask '{parts['mask']}' positions see later ones"):
        model.new_cache(1)
