"""Sampling against plain loops in NumPy, the frequencies of what is drawn, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kqv.errors import Error
from kqv.generation.sampling import Choice, Sampling, choose, generators

Floats = npt.NDArray[np.float64]


def reference(logits: Floats, sampling: Sampling, text: list[int]) -> Floats:
    """The distribution by loops over tokens, step by step as the papers have it."""
    scores = [float(x) for x in logits]
    for token in set(text):
        penalty = sampling.repetition_penalty
        scores[token] = scores[token] / penalty if scores[token] > 0 else scores[token] * penalty
    if sampling.temperature == 0:
        return np.array([float(token == scores.index(max(scores))) for token in range(len(scores))])
    largest = max(scores)
    weights = [math.exp((x - largest) / sampling.temperature) for x in scores]
    probabilities = [w / sum(weights) for w in weights]
    ranks = sorted(range(len(probabilities)), key=lambda token: (-probabilities[token], token))
    kept = ranks if sampling.top_k is None else ranks[: sampling.top_k]
    whole = sum(probabilities[token] for token in kept)
    if sampling.top_p is not None:
        nucleus, total = [], 0.0
        for token in kept:
            nucleus.append(token)
            total += probabilities[token] / whole
            if total >= sampling.top_p:
                break
        kept = nucleus
    if sampling.min_p is not None:
        kept = [token for token in kept if probabilities[token] >= sampling.min_p * probabilities[kept[0]]]
    whole = sum(probabilities[token] for token in kept)
    return np.array([probabilities[token] / whole if token in kept else 0.0 for token in range(len(probabilities))])


def some_logits(vocab: int = 40, seed: int = 3) -> Floats:
    return 2 * np.random.default_rng(seed).standard_normal(vocab)


OPTIONS: dict[str, dict[str, Any]] = {
    "as the model says": {},
    "cold": {"temperature": 0.3},
    "hot": {"temperature": 3.0},
    "greedy": {"temperature": 0.0},
    "top-k": {"top_k": 5},
    "top-k of one": {"top_k": 1},
    "top-k beyond the vocabulary": {"top_k": 1000},
    "top-p": {"top_p": 0.6},
    "top-p of all": {"top_p": 1.0},
    "top-p of next to nothing": {"top_p": 1e-9},
    "min-p": {"min_p": 0.2},
    "min-p of 0": {"min_p": 0.0},
    "min-p of 1": {"min_p": 1.0},
    "repetition": {"repetition_penalty": 1.7},
    "repetition wanted": {"repetition_penalty": 0.6},
    "repetition, greedy": {"repetition_penalty": 5.0, "temperature": 0.0},
    "all": {"temperature": 1.4, "top_k": 20, "top_p": 0.8, "min_p": 0.1, "repetition_penalty": 1.3},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_the_distribution_is_that_of_plain_loops(options: dict[str, Any], dtype: torch.dtype) -> None:
    logits = torch.tensor(some_logits()).to(dtype)
    sampling, text = Sampling(**options), [1, 4, 4, 17, int(logits.argmax())]
    found = sampling.distribution(logits, text)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), reference(logits.double().numpy(), sampling, text), rtol=1e-12, atol=0)


@given(
    logits=st.lists(st.sampled_from([-3.0, -1.0, 0.0, 0.5, 2.0]), min_size=1, max_size=12),
    temperature=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    top_k=st.none() | st.integers(1, 14),
    top_p=st.none() | st.floats(0.01, 1.0),
    min_p=st.none() | st.floats(0.0, 0.9),
    penalty=st.sampled_from([0.5, 1.0, 1.5]),
    text=st.lists(st.integers(0, 11), max_size=5),
)
def test_ties_go_to_the_lower_id_and_every_step_leaves_something(
    logits: list[float],
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    min_p: float | None,
    penalty: float,
    text: list[int],
) -> None:
    sampling = Sampling(temperature, top_k, top_p, min_p, penalty)
    text = [token for token in text if token < len(logits)]
    found = sampling.distribution(torch.tensor(logits, dtype=torch.float64), text).numpy()
    assert found.sum() == pytest.approx(1)
    expected = reference(np.array(logits), sampling, text)
    if np.allclose(found, expected, rtol=1e-9, atol=0):
        return
    # a sum that meets top-p or a share that meets min-p only up to rounding may fall to either side
    near = {"top_p": top_p and top_p * (1 + 1e-9), "min_p": min_p and min_p * (1 + 1e-9)}
    less = {"top_p": top_p and top_p * (1 - 1e-9), "min_p": min_p and min_p * (1 - 1e-9)}
    around = [
        reference(np.array(logits), Sampling(temperature, top_k, min(p, 1.0) if p else None, m, penalty), text)
        for p in (near["top_p"], less["top_p"])
        for m in (near["min_p"], less["min_p"])
    ]
    assert any(np.allclose(found, one, rtol=1e-9, atol=0) for one in around)


@pytest.mark.parametrize("temperature", [1e-300, 1e-6, 1e6])
def test_extreme_temperatures_and_logits_give_shares(temperature: float) -> None:
    logits = torch.tensor([1e4, 1e4 - 1, -1e4, float("-inf")])
    probabilities = Sampling(temperature).distribution(logits)
    assert float(probabilities.sum()) == pytest.approx(1)
    assert probabilities[3] == 0
    assert probabilities[0] == (1 if temperature < 1 else pytest.approx(1 / 3, rel=0.02))


@pytest.mark.parametrize("options", [{}, {"top_k": 4}, {"top_p": 0.95, "temperature": 1.5}], ids=str)
def test_tokens_come_as_often_as_the_distribution_says(options: dict[str, Any]) -> None:
    logits, sampling, draws = torch.tensor(some_logits(vocab=12)), Sampling(**options), 4000
    (generator,) = generators(seed=7, samples=1)
    counts = np.bincount([choose(logits, [], sampling, generator).token for _ in range(draws)], minlength=12)
    probabilities = sampling.distribution(logits).numpy()
    assert not counts[probabilities == 0].any()
    expected = draws * probabilities[probabilities > 0]
    chi_square = float(((counts[probabilities > 0] - expected) ** 2 / expected).sum())
    freedom = len(expected) - 1
    assert freedom > 0, "several tokens must be left to tell anything"
    assert chi_square < freedom + 4 * math.sqrt(2 * freedom)


def test_each_draw_is_one_random_number_and_its_position_in_the_sums() -> None:
    logits, sampling = torch.tensor(some_logits()), Sampling(top_k=7)
    mine, its = generators(seed=3, samples=1) + generators(seed=3, samples=1)
    sums = np.cumsum(sampling.distribution(logits).numpy())
    for _ in range(50):
        target = float(torch.rand((), dtype=torch.float64, generator=its)) * sums[-1]
        expected = next(token for token, total in enumerate(sums) if total > target)
        assert choose(logits, [], sampling, mine).token == expected


@pytest.mark.parametrize(("number", "expected"), [(0.0, 1), (0.25, 3), (0.75, 3), (1 - 2**-53, 3)])
def test_a_random_number_at_a_border_takes_no_token_that_was_sorted_out(
    number: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "rand", lambda *size, dtype, generator: torch.tensor(number, dtype=dtype))
    logits = torch.tensor([-math.inf, 0.0, -math.inf, math.log(3), -math.inf], dtype=torch.float64)
    (generator,) = generators(seed=1, samples=1)
    assert choose(logits, [], Sampling(), generator).token == expected


def test_a_sample_does_not_depend_on_how_many_there_are() -> None:
    def numbers(generator: torch.Generator) -> list[float]:
        return torch.rand(5, generator=generator).tolist()

    few, many = generators(seed=9, samples=2), generators(seed=9, samples=5)
    streams = [numbers(generator) for generator in many]
    assert [numbers(generator) for generator in few] == streams[:2]
    streams += [numbers(generator) for generator in generators(seed=10, samples=5)]
    assert len({tuple(stream) for stream in streams}) == 10, "each sample and each seed has a stream of its own"


def test_a_choice_shows_what_the_model_said_and_what_the_filters_left() -> None:
    logits = torch.tensor(some_logits(vocab=10))
    sampling = Sampling(temperature=0.7, top_k=3, repetition_penalty=1.2)
    text = [int(logits.argmax())]
    (generator,) = generators(seed=1, samples=1)
    choice = choose(logits, text, sampling, generator)
    raw = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum()
    kept = sampling.distribution(logits, text).numpy()
    shown = choice.top(4)
    assert [candidate.token for candidate in shown[:4]] == sorted(range(10), key=lambda token: -raw[token])[:4]
    for candidate in shown:
        assert candidate.raw == pytest.approx(raw[candidate.token])
        assert candidate.kept == pytest.approx(kept[candidate.token])
        assert candidate.chosen == (candidate.token == choice.token)
    assert sum(candidate.chosen for candidate in shown) == 1


def test_the_chosen_token_is_shown_even_where_others_were_likelier() -> None:
    kept = torch.zeros(6, dtype=torch.float64)
    kept[5] = 1
    shown = Choice(5, torch.arange(6, 0, -1.0), kept).top(2)
    assert [(candidate.token, candidate.kept, candidate.chosen) for candidate in shown] == [
        (0, 0.0, False),
        (1, 0.0, False),
        (5, 1.0, True),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -0.1}, r"temperature: expected 0 .* or more, got -0\.1"),
        ({"temperature": math.nan}, "temperature: .* got nan"),
        ({"temperature": math.inf}, "temperature: .* got inf"),
        ({"top_k": 0}, "top_k: expected a whole number from 1 on, got 0"),
        ({"top_k": 2.5}, r"top_k: .* got 2\.5"),
        ({"top_p": 0.0}, r"top_p: expected more than 0 and at most 1, got 0\.0"),
        ({"top_p": 1.1}, r"top_p: .* got 1\.1"),
        ({"min_p": -0.1}, r"min_p: expected from 0 to 1, got -0\.1"),
        ({"min_p": 1.5}, r"min_p: .* got 1\.5"),
        ({"repetition_penalty": 0.0}, r"repetition_penalty: expected more than 0 .* got 0\.0"),
    ],
)
def test_values_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(Error, match=message):
        Sampling(**options)


@pytest.mark.parametrize("wrong", [[0.0, math.nan], [0.0, math.inf], [-math.inf, -math.inf]], ids=str)
def test_logits_that_are_no_numbers_are_refused(wrong: list[float]) -> None:
    (generator,) = generators(seed=1, samples=1)
    with pytest.raises(Error, match="no finite numbers"):
        choose(torch.tensor(wrong), [], Sampling(), generator)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(Error, match="from 0 on; got -1"):
        generators(seed=-1, samples=1)
