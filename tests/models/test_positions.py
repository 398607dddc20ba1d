"""Positional encodings and blocks by name: each is its formula, and every combination trains, is cached and traced."""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from twins import CONTEXT, MODEL, PATHS, VOCAB, batch, distance, gpt, gradients

from kqv.models.architecture import Architecture
from kqv.models.blocks import BLOCKS
from kqv.models.families import family_of
from kqv.models.gpt import GPT
from kqv.models.positions import POSITIONS, Periodic, Sinusoidal

COMBINATIONS = [
    {"positions": positions, "block": block, "heads": 6, "key_heads": key_heads}
    for positions, block, key_heads in product(POSITIONS, BLOCKS, (6, 2))
]


def test_waves_are_the_papers_from_position_0_on() -> None:
    found = Sinusoidal(6)(torch.arange(4)).tolist()
    for position, row in enumerate(found):
        waves = [position / 10_000 ** (2 * i / 6) for i in range(3)]
        assert row == pytest.approx([f(wave) for wave in waves for f in (math.sin, math.cos)], abs=1e-6)
    assert found[0] == [0, 1, 0, 1, 0, 1]


def test_the_hand_of_a_clock_points_alike_after_each_period() -> None:
    found = Periodic(5, period=3)(torch.arange(7))
    assert torch.equal(found[:3], found[3:6])
    assert found[0].tolist() == [0, 1, 0, 1, 0]
    assert found[1].tolist() == pytest.approx([3**0.5 / 2, -0.5, 3**0.5 / 2, -0.5, 3**0.5 / 2])
    assert len({tuple(row) for row in found.tolist()}) == 3


def test_the_period_is_the_context_unless_it_is_said() -> None:
    assert Architecture(positions="periodic", context=12).resolved().period == 12
    assert Architecture(positions="periodic", context=12, period=4).resolved().period == 4
    model = GPT(VOCAB, Architecture(CONTEXT, MODEL, 3, blocks=1, positions="periodic", period=2))
    ids = torch.zeros(1, CONTEXT, dtype=torch.int64)
    first: Any = model.blocks[0]
    seen: list[torch.Tensor] = []
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(ids)
    assert torch.equal(seen[0][0, 0], seen[0][0, 2])
    assert not torch.equal(seen[0][0, 0], seen[0][0, 1])


def test_waves_are_added_to_the_tokens_and_are_no_weights() -> None:
    model = gpt(written_out=False, positions="sinusoidal", dtype=torch.float32)
    ids, _ = batch()
    block: Any = model.blocks[0]
    seen: list[torch.Tensor] = []
    block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(ids)
    expected = model.tokens(ids) + Sinusoidal(MODEL)(torch.arange(CONTEXT))
    torch.testing.assert_close(seen[0], expected, rtol=0, atol=1e-6)
    assert not any(name.startswith("positions") for name in model.state_dict())


@pytest.mark.parametrize("positions", POSITIONS)
def test_only_without_positions_is_the_order_of_earlier_tokens_unknown(positions: str) -> None:
    torch.manual_seed(1)
    model = GPT(VOCAB, Architecture(CONTEXT, MODEL, 3, blocks=1, positions=positions)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    ids, _ = batch()
    turned = torch.cat((ids[:, :-1].flip(1), ids[:, -1:]), 1)
    is_unknown = distance(model(turned)[:, -1], model(ids)[:, -1]) < 1e-12
    assert is_unknown == (positions == "none")


@pytest.mark.parametrize("parts", COMBINATIONS, ids=lambda parts: "{positions}, {block}, {key_heads}".format(**parts))
def test_every_combination_is_cached_and_is_one_function_on_both_paths(parts: dict[str, Any]) -> None:
    fused, written_out = (gpt(way, **parts) for way in PATHS.values())
    ids, targets = batch()
    for model in (fused, written_out):
        model.loss(model(ids), targets).backward()
    expected = gradients(written_out)
    for name, gradient in gradients(fused).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-9, atol=1e-12, msg=name)
    for model in (fused, written_out):
        cache = model.new_cache(len(ids))
        with torch.no_grad():
            pieces = [model(ids[:, start:stop], cache) for start, stop in pairwise([0, 5, 6, 9, CONTEXT])]
        assert float((torch.cat(pieces, 1) - written_out(ids)).detach().abs().max()) <= 1e-12


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("positions", POSITIONS)
def test_every_combination_learns(positions: str, block: str) -> None:
    torch.manual_seed(1)
    model = GPT(VOCAB, Architecture(CONTEXT, MODEL, 3, 2, positions=positions, block=block))
    ids, targets = batch()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        loss = model.loss(model(ids), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(VOCAB), abs=0.2)
    assert losses[-1] < losses[0] - 0.5


def test_a_block_with_norms_after_is_the_first_transformers() -> None:
    model = gpt(written_out=False, block="post-norm", feed_forward="gelu")
    block: Any = model.blocks[0]
    x, positions = torch.randn(2, 5, MODEL, dtype=torch.float64), torch.arange(5)

    def normed(x: torch.Tensor, norm: Any) -> torch.Tensor:
        return F.layer_norm(x, (MODEL,), norm.weight, norm.bias, norm.epsilon)

    after = normed(x + block.attention(x, positions), block.attention_norm)
    expected = normed(after + block.feed_forward(after), block.feed_forward_norm)
    torch.testing.assert_close(block(x, positions), expected, rtol=1e-12, atol=1e-12)
    assert model.norm is None, "what its blocks give is normed already"
    assert not any(name.startswith("norm.") for name in model.state_dict())


def test_it_says_what_it_is_and_is_of_no_family() -> None:
    chosen = Architecture(positions="sinusoidal", block="post-norm")
    assert family_of(chosen) is None
    assert GPT(VOCAB, chosen).describe().startswith("GPT (sinusoidal positions, layer norm, gelu, ")
    assert "post-norm blocks" in GPT(VOCAB, chosen).describe()
