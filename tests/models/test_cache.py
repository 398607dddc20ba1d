"""With a key-value cache a GPT says, in any pieces, what it says of the whole text."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from twins import CONTEXT, PATHS, VOCAB, batch, gpt

from kqv.errors import DimensionError, Error
from kqv.models.cache import Cache
from kqv.models.gpt import GPT
from kqv.trace.trace import Trace

PIECES = {
    "one by one": list(range(CONTEXT + 1)),
    "a prompt, then one by one": [0, *range(5, CONTEXT + 1)],
    "uneven pieces": [0, 5, 6, 9, CONTEXT],
    "at once": [0, CONTEXT],
}


def in_pieces(model: GPT, ids: torch.Tensor, borders: list[int], cache: Cache) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([model(ids[:, start:stop], cache) for start, stop in pairwise(borders)], 1)


@pytest.mark.parametrize("borders", PIECES.values(), ids=PIECES)
@pytest.mark.parametrize("path", PATHS)
def test_pieces_have_the_logits_of_the_whole(path: str, borders: list[int]) -> None:
    model = gpt(PATHS[path])
    ids, _ = batch()
    found = in_pieces(model, ids, borders, model.new_cache(len(ids)))
    expected = model(ids)
    assert float((found - expected).detach().abs().max()) <= 1e-12
    assert torch.equal(found.argmax(-1), expected.argmax(-1))


def test_a_cleared_cache_has_forgotten_everything() -> None:
    model = gpt(written_out=False)
    (first, _), (second, _) = batch(seed=2), batch(seed=3)
    cache = model.new_cache(len(first))
    in_pieces(model, first, [0, CONTEXT], cache)
    assert cache.length == CONTEXT
    cache.clear()
    assert cache.length == 0
    found = in_pieces(model, second, PIECES["uneven pieces"], cache)
    assert float((found - model(second)).detach().abs().max()) <= 1e-12


def test_the_cache_takes_its_memory_once() -> None:
    model = gpt(written_out=False)
    ids, _ = batch()
    cache = model.new_cache(len(ids))
    positions = [(block.keys.data_ptr(), block.values.data_ptr()) for block in cache.blocks]
    in_pieces(model, ids, PIECES["one by one"], cache)
    assert positions == [(block.keys.data_ptr(), block.values.data_ptr()) for block in cache.blocks]
    assert cache.blocks[0].keys.dtype == torch.float64


@pytest.mark.parametrize("borders", PIECES.values(), ids=PIECES)
def test_a_cache_that_begins_small_grows(borders: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A model may read more tokens than there is memory for at once."""
    monkeypatch.setattr("kqv.models.cache.FIRST", 2)
    model = gpt(written_out=False)
    ids, _ = batch()
    cache = model.new_cache(len(ids))
    assert cache.blocks[0].keys.shape[-2] == 2
    found = in_pieces(model, ids, borders, cache)
    assert float((found - model(ids)).detach().abs().max()) <= 1e-12
    assert cache.length == cache.blocks[0].keys.shape[-2] == CONTEXT


def test_a_cache_that_grew_in_inference_mode_is_written_to_outside_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kqv.models.cache.FIRST", 2)
    model = gpt(written_out=False)
    ids, _ = batch()
    cache = model.new_cache(len(ids))
    with torch.inference_mode():
        first = model(ids[:, :5], cache).clone()
    found = torch.cat((first, in_pieces(model, ids, [5, CONTEXT], cache)), 1)
    assert float((found - model(ids)).detach().abs().max()) <= 1e-12


def test_a_later_piece_changes_nothing_in_an_earlier_one() -> None:
    model = gpt(written_out=False)
    ids, _ = batch()
    other = ids.clone()
    other[:, 9:] = (ids[:, 9:] + 1) % VOCAB
    caches = [model.new_cache(len(ids)) for _ in range(2)]
    for text, cache in zip((ids, other), caches, strict=True):
        in_pieces(model, text, PIECES["uneven pieces"], cache)
    for mine, its in zip(caches[0].blocks, caches[1].blocks, strict=True):
        assert torch.equal(mine.keys[:, :, :9], its.keys[:, :, :9])
        assert not torch.equal(mine.values[:, :, 9:], its.values[:, :, 9:])


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    model = gpt(written_out=False)
    ids, _ = batch()
    cache = model.new_cache(len(ids))
    with torch.no_grad():
        model(ids[:, :10], cache)
        with pytest.raises(Error, match=f"room for {CONTEXT} positions and holds 10; 7 more do not fit: clear it"):
            model(ids[:, :7], cache)
        with pytest.raises(DimensionError, match=r"for batch=4 texts, but ids\[batch, position\] has batch=3"):
            model(ids[:3, :1], cache)
    with pytest.raises(Error, match=r"no gradient .* torch\.no_grad\(\)"):
        model(ids[:, :1], cache)
    assert cache.length == 10


def test_a_trace_explains_what_was_computed_with_a_cache() -> None:
    model = gpt(written_out=False, dtype=torch.float32).eval()
    ids, _ = batch()
    with Trace(model) as trace:
        cache = model.new_cache(len(ids))
        found = in_pieces(model, ids, [0, 4, 6], cache)
    assert trace["blocks.1.attention.scores#2"].sizes[-2:] == (2, 6)
    torch.testing.assert_close(found, model(ids[:, :6]), rtol=1e-5, atol=1e-5)
    for cell in ("logits#2[1,0,3]", "blocks.1.attention.scores#2[1,2,1,5]", "blocks.1.attention.weights#2[1,2,0,3]"):
        explanation = trace.cell(cell)
        assert explanation.expression is not None
        assert explanation.agrees, explanation.text(100)
    joined = [str(source) for source in trace.cell("blocks.0.attention.keys#2[0,0,5,0]").sources()]
    assert joined == ["blocks.0.attention.query_key_value#2[batch=0, position=1, joined=24]"]
    masked = trace["blocks.0.attention.masked_scores#2"].value
    assert torch.isinf(masked[:, :, 0, 5]).all(), "the first of two new positions does not see the second"
    assert torch.isfinite(masked[:, :, 1]).all()


@pytest.mark.parametrize("rows", [[1], [1, 0], [1, 1, 0, 1, 0]])
def test_selected_texts_go_on_as_if_they_had_always_been_there(rows: list[int]) -> None:
    model = gpt(written_out=False)
    ids, _ = batch()
    ids = ids[:2]
    cache = model.new_cache(2)
    with torch.no_grad():
        model(ids[:, :4], cache)
        cache.select(torch.tensor(rows))
        assert cache.batch == len(rows)
        assert cache.length == 4
        chosen = ids[rows]
        found = model(chosen[:, 4:], cache)
    assert float((found - model(chosen)[:, 4:]).detach().abs().max()) <= 1e-12
