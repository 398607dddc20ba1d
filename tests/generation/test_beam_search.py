"""Beam search against a plainly written one that keeps nothing and computes every text by itself, and bad input."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import Any

import pytest
import torch

from kqv.errors import Error
from kqv.generation import ensemble
from kqv.generation.beam_search import BeamSearch, Hypothesis, beam_search, force
from kqv.models.transformer import Transformer
from kqv.models.translator_architecture import TranslatorArchitecture

VOCAB, CONTEXT, BEGIN, END = 23, 9, 0, 1
BLOCKS = ("post-norm", "pre-norm")
SEARCHES = {
    "greedy": BeamSearch(1),
    "as it comes": BeamSearch(),
    "a weak penalty": BeamSearch(3, 0.4, 2),
    "no penalty": BeamSearch(4, 0.0, 2),
    "a strong penalty": BeamSearch(4, 2.0, 4),
    "short ones": BeamSearch(3, 1.0, 3, 4),
    "one token": BeamSearch(2, 1.0, 2, 1),
    "more beams than tokens": BeamSearch(VOCAB + 2, 1.0, VOCAB + 2, 2),
}


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def translator(seed: int = 1, vocab: int = VOCAB, ends: float = 1.5, **parts: Any) -> Transformer:
    """A small one that ends its texts sooner or later, and whose choices differ from position to position."""
    torch.manual_seed(seed)
    sizes = {"context": CONTEXT, "width": 12, "heads": 3, "hidden": 20, "encoder_blocks": 1, "decoder_blocks": 2}
    model = Transformer(vocab, None, TranslatorArchitecture(**{**sizes, "dropout": 0.1, **parts}))  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        row = model.tokens.weight[END]
        last = model.decoder.norm or model.decoder.blocks[-1].feed_forward_norm
        last.bias.add_(ends * row / row.square().sum())  # type: ignore[operator, union-attr]
    return model


def sources(vocab: int = VOCAB) -> list[list[int]]:
    """Of many lengths, in no order, the shortest without a word and the longest as long as the context."""
    chance = torch.Generator().manual_seed(3)
    lengths = [3, 0, 7, CONTEXT - 1, 3, 5]
    return [[*torch.randint(2, vocab, (length,), generator=chance).tolist(), END] for length in lengths]


@torch.no_grad()
def plain_logs(models: list[Transformer], source: list[int], text: list[int]) -> list[float]:
    """log of the mean p of each next token: source and text are read anew, by themselves."""
    logits = [model.eval()(torch.tensor([source]), torch.tensor([[BEGIN, *text]]))[0, -1] for model in models]
    return torch.stack([one.softmax(-1) for one in logits]).mean(0).log().tolist()


def plain_search(models: list[Transformer], source: list[int], how: BeamSearch) -> list[Hypothesis]:
    """Beam search as its description reads."""
    longest = how.longest or CONTEXT
    texts: list[tuple[float, list[int]]] = [(0.0, [])]
    found: list[Hypothesis] = []
    likeliest_has_ended = False
    for length in range(1, longest + 1):
        continued = [
            (log + more, [*text, token])
            for log, text in texts
            for token, more in enumerate(plain_logs(models, source, text))
            if length > 1 or token != END
        ]
        candidates = sorted(continued, key=lambda pair: -pair[0])[: 2 * how.beams]
        for rank, (log, text) in enumerate(candidates[: how.beams]):
            if text[-1] == END or length == longest:
                complete = text[-1] == END
                ids = tuple(text[:-1] if complete else text)
                found.append(Hypothesis(ids, log / length**how.length_penalty, log, complete))
                likeliest_has_ended |= rank == 0
        if likeliest_has_ended and len(found) >= how.n_best if how.length_penalty == 0 else len(found) >= how.beams:
            break
        texts = [pair for pair in candidates if pair[1][-1] != END][: how.beams]
    return sorted(found, key=lambda one: -one.score)[: how.n_best]


def assert_same(found: list[list[Hypothesis]], expected: list[list[Hypothesis]]) -> None:
    assert [[(one.ids, one.complete) for one in best] for best in found] == [
        [(one.ids, one.complete) for one in best] for best in expected
    ]
    for mine, its in zip(chain(*found), chain(*expected), strict=True):
        assert mine.score == pytest.approx(its.score, abs=1e-10)
        assert mine.log_probability == pytest.approx(its.log_probability, abs=1e-10)


@pytest.mark.parametrize("how", SEARCHES.values(), ids=SEARCHES)
@pytest.mark.parametrize("block", BLOCKS)
def test_it_is_the_plain_search(block: str, how: BeamSearch) -> None:
    model = translator(block=block)
    expected = [plain_search([model], source, how) for source in sources()]
    assert_same(beam_search(model, sources(), BEGIN, END, how), expected)


def test_the_searches_differ_and_see_both_ends() -> None:
    """Else the comparison above would say little."""
    found = {name: beam_search(translator(), sources(), BEGIN, END, how) for name, how in SEARCHES.items()}
    texts = {name: [best[0].ids for best in hypotheses] for name, hypotheses in found.items()}
    assert len({str(one) for one in texts.values()}) >= 5
    complete = [best[0].complete for best in found["as it comes"]]
    assert sum(complete) >= 3
    assert not all(one.complete for best in found["short ones"] for one in best)
    assert len(set(texts["as it comes"])) >= 3


@pytest.mark.parametrize("vocab", [43, 200])
def test_a_vocabulary_that_is_looked_at_in_groups(vocab: int) -> None:
    model, how = translator(vocab=vocab), BeamSearch(4, 1.0, 4)
    expected = [plain_search([model], source, how) for source in sources(vocab)]
    assert_same(beam_search(model, sources(vocab), BEGIN, END, how), expected)


@pytest.mark.parametrize("parts", [{"positions": "rotary"}, {"positions": "learned"}, {"feed_forward": "swiglu"}])
def test_other_parts(parts: dict[str, str]) -> None:
    model, how = translator(**parts), BeamSearch(3, 1.0, 2)
    expected = [plain_search([model], source, how) for source in sources()]
    assert_same(beam_search(model, sources(), BEGIN, END, how), expected)


@pytest.mark.parametrize("at_once", [1, 30, 4096])
def test_what_sees_later_positions_is_read_anew_a_few_texts_at_a_time(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(ensemble, "TOKENS_AT_ONCE", at_once)
    model, how = translator(mask="none"), BeamSearch(3, 1.0, 2)
    expected = [plain_search([model], source, how) for source in sources()]
    assert_same(beam_search(model, sources(), BEGIN, END, how), expected)


@pytest.mark.parametrize(("batch_tokens", "batches"), [(1, 6), (18, 3), (1000, 1)])
def test_batches_change_no_translation(batch_tokens: int, batches: int) -> None:
    model, how = translator(), BeamSearch(4, 1.0, 3)
    alone = [beam_search(model, [source], BEGIN, END, how)[0] for source in sources()]
    done: list[tuple[int, int]] = []
    together = beam_search(
        model, sources(), BEGIN, END, how, batch_tokens=batch_tokens, advance=lambda *so_far: done.append(so_far)
    )
    assert_same(together, alone)
    assert done[-1] == (6, 6)
    assert [count for count, _ in done] == sorted({count for count, _ in done})
    assert len(done) == batches


def test_the_last_of_every_batch_are_searched_for_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[list[list[int]]] = []
    encode = Transformer.encode

    def watched(self: Transformer, source: torch.Tensor, *others: Any) -> torch.Tensor:
        encoded.append(source.tolist())
        return encode(self, source, *others)

    model, how = translator(ends=2.0), BeamSearch(3, 1.0, 2)
    many = [[2 + number % 20, 2 + number // 20, END] for number in range(40)]
    alone = [beam_search(model, [source], BEGIN, END, how)[0] for source in many]
    monkeypatch.setattr(Transformer, "encode", watched)
    monkeypatch.setattr("kqv.generation.beam_search.FEW", 4)
    done: list[int] = []
    together = beam_search(model, many, BEGIN, END, how, batch_tokens=60, advance=lambda now, _: done.append(now))
    assert_same(together, alone)
    assert [len(batch) for batch in encoded[:2]] == [20, 20]
    assert len(encoded) == 3
    assert 1 <= len(encoded[2]) <= 2 * (20 // 4)
    assert done[-1] == 40
    assert done[1] == 40 - len(encoded[2])


def test_an_ensemble_averages_probabilities() -> None:
    models, how = [translator(1), translator(2, block="pre-norm"), translator(3, width=18)], BeamSearch(4, 1.0, 3)
    expected = [plain_search(models, source, how) for source in sources()]
    assert_same(beam_search(models, sources(), BEGIN, END, how), expected)
    texts = [[best[0].ids for best in beam_search(one, sources(), BEGIN, END, how)] for one in (*models, models)]
    assert len({str(text) for text in texts}) == 4


def test_two_equal_models_are_one() -> None:
    how = BeamSearch(4, 1.0, 3)
    alone = beam_search(translator(), sources(), BEGIN, END, how)
    assert_same(beam_search([translator(), translator()], sources(), BEGIN, END, how), alone)


def test_scores_are_those_of_the_forced_text_best_first() -> None:
    models, how = [translator(1), translator(2)], BeamSearch(5, 0.7, 5)
    for source, best in zip(sources(), beam_search(models, sources(), BEGIN, END, how), strict=True):
        assert len(best) == 5
        assert len({one.ids for one in best}) == 5
        assert [one.score for one in best] == sorted((one.score for one in best), reverse=True)
        for one in best:
            assert one.score == pytest.approx(one.log_probability / (len(one.ids) + one.complete) ** 0.7, abs=1e-12)
            if one.complete:
                forced = force(models, source, one.ids, BEGIN, END)
                assert forced == pytest.approx(one.log_probability, abs=1e-10)
            else:
                assert len(one.ids) == CONTEXT


def test_finished_texts_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No text goes on after its end, and a source that is done leaves the batch."""
    read: list[list[list[int]]] = []
    decode = Transformer.decode

    def watched(self: Transformer, target: torch.Tensor, *others: Any) -> torch.Tensor:
        read.append(target.tolist())
        return decode(self, target, *others)

    monkeypatch.setattr(Transformer, "decode", watched)
    beam_search(translator(), sources(), BEGIN, END, BeamSearch(3))
    assert read[0] == [[BEGIN]] * 6
    assert all(ids != [END] for step in read for ids in step)
    rows = [len(step) for step in read[1:]]
    assert rows[0] == 18
    assert all(later <= earlier and not later % 3 for earlier, later in pairwise(rows))
    assert rows[-1] < 18


def test_mode_and_gradients_are_as_before() -> None:
    model = translator()
    model.train()
    model.encoder.eval()
    first = beam_search(model, sources(), BEGIN, END)
    assert model.training
    assert model.decoder.training
    assert not model.encoder.training
    assert torch.is_grad_enabled()
    assert_same(first, beam_search(model, sources(), BEGIN, END))  # nothing was dropped
    ids = torch.tensor([[2, 3, END]])
    model(ids, ids).sum().backward()
    assert model.tokens.weight.grad is not None


def test_in_single_precision_it_says_the_same() -> None:
    model, how = translator(), BeamSearch(4)
    expected = beam_search(model, sources(), BEGIN, END, how)
    torch.set_default_dtype(torch.float32)
    found = beam_search(model.float(), sources(), BEGIN, END, how)
    assert [best[0].ids for best in found] == [best[0].ids for best in expected]


def test_nothing_to_translate() -> None:
    assert beam_search(translator(), [], BEGIN, END) == []


def test_refusals() -> None:
    model, long = translator(), [5] * CONTEXT + [END]
    with pytest.raises(Error, match=f"source 1 has {CONTEXT + 1} tokens; the model reads at most {CONTEXT}"):
        beam_search(model, [[5, END], long], BEGIN, END)
    with pytest.raises(Error, match="source 0 has no token"):
        beam_search(model, [[]], BEGIN, END)
    with pytest.raises(Error, match=f"source 0: ids are whole numbers from 0 to {VOCAB - 1}; got 1 to {VOCAB}"):
        beam_search(model, [[VOCAB, END]], BEGIN, END)
    with pytest.raises(Error, match=f"writes at most {CONTEXT} tokens"):
        beam_search(model, [[5, END]], BEGIN, END, BeamSearch(longest=CONTEXT + 1))
    with pytest.raises(Error, match="23 and 23, 24 and 24 tokens"):
        beam_search([model, translator(vocab=VOCAB + 1)], [[5, END]], BEGIN, END)
    with pytest.raises(Error, match="at least one model"):
        beam_search([], [[5, END]], BEGIN, END)
    with pytest.raises(Error, match="the target has"):
        force(model, [5, END], [5] * CONTEXT, BEGIN, END)
    wrong = ({"beams": 0}, {"n_best": 6}, {"n_best": 0}, {"longest": 0}, {"length_penalty": -1.0})
    for options in (*wrong, {"length_penalty": math.inf}):
        with pytest.raises(Error, match="expected"):
            BeamSearch(**options)  # type: ignore[arg-type]
