"""GPT-2's form: sizes, first weights, dropout and both forms of GELU, and what it refuses."""

from __future__ import annotations

import functools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from twins import BLOCKS, CONTEXT, HEADS, MODEL, PATHS, VOCAB, batch, gpt, gradients, plain_twin

from benchmarks.plain_gpt import PlainGPT, plain_loss
from kqv.errors import DimensionError, Error
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT, GPT2_SIZES, gpt2
from kqv.operations import cross_entropy

DROPOUT = 0.3


def test_it_says_what_it_is() -> None:
    family = "a GPT of GPT-2's architecture (learned positions, layer norm, GELU)"
    large, small = GPT(65, Architecture(64, 128, 4, 4)), GPT(5, Architecture(2, 3, 1, 1))
    assert large.describe() == f"{family}, 4 blocks, 4 heads, 128 wide, context 64, vocab 65"
    assert small.describe() == f"{family}, 1 block, 1 head, 3 wide, context 2, vocab 5"


@pytest.mark.parametrize("size", GPT2_SIZES)
def test_a_published_size_has_as_many_parameters_as_its_name_says(size: str) -> None:
    with torch.device("meta"):
        model = gpt2(size)
    count = sum(parameter.numel() for parameter in model.parameters())
    unit = {"M": 1e6, "B": 1e9}[size[-1]]
    assert count / unit == pytest.approx(float(size[:-1]), rel=0.04)  # the paper's 1.5B are 1.56
    wide, blocks = model.width, len(model.blocks)
    in_a_block = 12 * wide**2 + 13 * wide  # four maps wide × wide, two wide × 4·wide; their biases, and two norms
    assert count == (model.vocab + model.context) * wide + blocks * in_a_block + 2 * wide


def test_the_first_weights_are_gpt2s() -> None:
    torch.manual_seed(5)
    model = GPT(300, Architecture(context=200, width=64, heads=4, blocks=8))
    for name, parameter in model.state_dict().items():
        if parameter.dim() == 1:
            assert torch.equal(parameter, torch.full_like(parameter, float(name.endswith("norm.weight")))), name
            continue
        adds_to_stream = "projection" in name or "narrow" in name
        deviation = 0.02 / math.sqrt(2 * 8) if adds_to_stream else 0.02
        room = 5 / math.sqrt(2 * parameter.numel())  # five standard errors of a deviation
        assert float(parameter.std()) == pytest.approx(deviation, rel=room), name
        assert abs(float(parameter.mean())) < 5 * deviation / math.sqrt(parameter.numel()), name


@pytest.mark.parametrize("path", PATHS)
def test_the_loss_of_a_new_model_is_that_of_a_uniform_guess(path: str) -> None:
    torch.manual_seed(5)
    model = GPT(VOCAB, Architecture(CONTEXT, MODEL, HEADS, BLOCKS), PATHS[path])
    ids, targets = batch()
    assert model.loss(model(ids), targets).item() == pytest.approx(math.log(VOCAB), abs=0.05)


def test_the_loss_is_the_mean_surprise_of_the_targets() -> None:
    model = gpt(written_out=False)
    ids, targets = batch()
    logits = model(ids)
    rows = logits.detach().numpy().reshape(-1, VOCAB)
    losses = [
        math.log(sum(math.exp(x) for x in row)) - row[aim]
        for row, aim in zip(rows, targets.flatten().tolist(), strict=True)
    ]
    assert model.loss(logits, targets).item() == pytest.approx(sum(losses) / len(losses), rel=1e-12)


def test_gelu_by_tanh_is_pytorchs_model_with_that_form(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, by_tanh = gpt(written_out=False), gpt(written_out=False, feed_forward="gelu-tanh")
    ids, targets = batch()
    loss = cross_entropy(by_tanh(ids), targets)
    assert loss.item() != pytest.approx(cross_entropy(exact(ids), targets).item(), rel=1e-7)
    loss.backward()
    monkeypatch.setattr(F, "gelu", functools.partial(F.gelu, approximate="tanh"))
    twin = plain_twin(by_tanh)
    twin_loss = plain_loss(twin(ids), targets)
    twin_loss.backward()
    assert loss.item() == pytest.approx(twin_loss.item(), rel=1e-12)
    expected = gradients(twin)
    for name, gradient in gradients(by_tanh).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-10, atol=1e-12, msg=name)


def dropped(x: Tensor) -> Tensor:
    """Dropout in plain PyTorch, with the random numbers that ours draws."""
    return x * (torch.rand(x.shape) >= DROPOUT) / (1 - DROPOUT)


def dropping_twin(twin: PlainGPT, ids: Tensor, on_weights: bool) -> Tensor:
    """Logits of the plain twin with dropout after the embeddings, after each projection and perhaps on the weights."""
    x = dropped(twin.tokens(ids) + twin.positions(torch.arange(CONTEXT)))
    later = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).triu(1)
    for block in twin.blocks:
        parts = block.attention.query_key_value(block.attention_norm(x)).chunk(3, dim=-1)
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in parts)
        scores = (q @ k.mT / math.sqrt(MODEL // HEADS)).masked_fill(later, float("-inf"))
        weights = scores.softmax(-1)
        mixed = (dropped(weights) if on_weights else weights) @ v
        x = x + dropped(block.attention.projection(mixed.transpose(1, 2).flatten(2)))
        x = x + dropped(block.feed_forward(block.feed_forward_norm(x)))
    return F.linear(twin.norm(x), twin.tokens.weight)


@pytest.mark.parametrize("attention_dropout", [None, 0.0])
@pytest.mark.parametrize("path", PATHS)
def test_dropout_stands_where_gpt2_has_it_with_gradients_of_the_same_masks(
    path: str, attention_dropout: float | None
) -> None:
    model = gpt(PATHS[path], dropout=DROPOUT, attention_dropout=attention_dropout)
    twin = plain_twin(model)
    ids, targets = batch()
    torch.manual_seed(8)
    loss = cross_entropy(model(ids), targets)
    torch.manual_seed(8)
    twin_loss = plain_loss(dropping_twin(twin, ids, attention_dropout is None), targets)
    loss.backward()
    twin_loss.backward()
    assert loss.item() == pytest.approx(twin_loss.item(), rel=1e-12)
    expected = gradients(twin)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-10, atol=1e-12, msg=name)


@pytest.mark.parametrize("path", PATHS)
def test_dropout_is_for_training_alone(path: str) -> None:
    model, without = gpt(PATHS[path], dropout=DROPOUT), gpt(PATHS[path])
    ids, _ = batch()
    assert not torch.equal(model(ids), model(ids))
    assert torch.equal(model.eval()(ids), without(ids))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "at least 1; got context 16, width 0"),
        ({"heads": 5}, "5 heads cannot share 24 numbers evenly"),
        ({"blocks": 0}, "at least 1; got context 16, width 24, heads 3, blocks 0"),
        ({"dropout": 1.0}, "from 0 to below 1; got 1.0"),
        ({"feed_forward": "quick"}, "'quick'; choose one of: gelu, gelu-tanh, relu, swiglu"),
    ],
)
def test_sizes_and_options_that_make_no_model_are_refused(options: dict[str, object], message: str) -> None:
    sizes = {"context": CONTEXT, "width": MODEL, "heads": HEADS, "blocks": BLOCKS}
    with pytest.raises(Error, match=message):
        Architecture(**{**sizes, **options})  # type: ignore[arg-type]


def test_a_vocabulary_has_tokens() -> None:
    with pytest.raises(Error, match="at least 1 token; got 0"):
        GPT(0)


def test_unknown_sizes_of_gpt2_are_answered_with_those_that_exist() -> None:
    with pytest.raises(Error, match=r"'117M'; choose one of: 124M, 355M, 774M, 1\.5B"):
        gpt2("117M")


def test_ids_of_another_shape_or_past_the_context_are_refused() -> None:
    model = gpt(written_out=False)
    with pytest.raises(Error, match=f"at most {CONTEXT} tokens at once .* got {CONTEXT + 1}"):
        model(torch.zeros(1, CONTEXT + 1, dtype=torch.int64))
    with pytest.raises(DimensionError, match=r"ids\[batch, position\]; got a tensor of shape \[3\]"):
        model(torch.zeros(3, dtype=torch.int64))
