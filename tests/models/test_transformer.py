"""The encoder-decoder: against PyTorch's own with the same weights, what a position sees, decoding, graph and trace."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from test_graph import BOOKKEEPING, OURS, nodes
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

from kqv.errors import DimensionError, Error
from kqv.models.transformer import Transformer
from kqv.models.translator_architecture import TRANSFORMER_SIZES, TranslatorArchitecture
from kqv.trace.trace import Trace

VOCAB, WIDTH, HEADS, HIDDEN, PADDING = 13, 12, 3, 20, 0
BLOCKS = {"post-norm": False, "pre-norm": True}


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def transformer(written_out: bool = False, source_vocab: int | None = None, **parts: Any) -> Transformer:
    """A small one whose biases and norms are random too."""
    torch.manual_seed(1)
    sizes = {"context": 16, "width": WIDTH, "heads": HEADS, "hidden": HIDDEN, "encoder_blocks": 2, "decoder_blocks": 3}
    chosen = TranslatorArchitecture(**{**sizes, "dropout": 0.0, **parts})  # type: ignore[arg-type]
    model = Transformer(VOCAB, source_vocab, chosen, written_out)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def texts() -> tuple[Tensor, Tensor, Tensor]:
    """Sources and targets of different lengths, padded; the target has one more token than is read."""
    chance = torch.Generator().manual_seed(2)
    source = torch.randint(1, VOCAB, (3, 6), generator=chance)
    target = torch.randint(1, VOCAB, (3, 6), generator=chance)
    source[0, 4:] = source[2, 3:] = PADDING
    target[1, 4:] = PADDING
    return source, source != PADDING, target


def twin_of(model: Transformer) -> nn.Transformer:
    """PyTorch's own of the same sizes; its encoder and decoder end in a norm only where ours do."""
    chosen = model.architecture
    first = BLOCKS[chosen.block]
    options: dict[str, Any] = {
        "dropout": 0.0, "activation": chosen.feed_forward, "batch_first": True, "norm_first": first
    }  # fmt: skip
    layers = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, **options)
    others = nn.TransformerDecoderLayer(WIDTH, HEADS, HIDDEN, **options)
    last = [nn.LayerNorm(WIDTH) if first else None for _ in range(2)]
    encoder = nn.TransformerEncoder(layers, chosen.encoder_blocks, last[0], enable_nested_tensor=False)
    decoder = nn.TransformerDecoder(others, chosen.decoder_blocks, last[1])
    twin = nn.Transformer(WIDTH, HEADS, custom_encoder=encoder, custom_decoder=decoder, batch_first=True)
    with torch.no_grad():
        for ours, theirs in pairs(model, twin):
            theirs.copy_(torch.cat(ours))
    return twin


def pairs(model: Transformer, twin: nn.Transformer) -> Iterator[tuple[list[Tensor], nn.Parameter]]:
    """Each parameter of PyTorch's with those of ours that, one below the other, are the same."""
    own, names = dict(model.named_parameters()), {"weight", "bias"}
    alike = {
        "self_attn.in_proj_": ["attention.query_key_value."], "self_attn.out_proj.": ["attention.projection."],
        "multihead_attn.in_proj_": ["cross_attention.query.", "cross_attention.key_value."],
        "multihead_attn.out_proj.": ["cross_attention.projection."],
        "linear1.": ["feed_forward.widen."], "linear2.": ["feed_forward.narrow."], "norm1.": ["attention_norm."],
    }  # fmt: skip
    ends = {
        "encoder": {"norm2.": ["feed_forward_norm."]},
        "decoder": {"norm2.": ["cross_attention_norm."], "norm3.": ["feed_forward_norm."]},
    }
    for name, theirs in twin.named_parameters():
        part, _, rest = name.partition(".")
        kind = next(kind for kind in names if rest.endswith(kind))
        if rest.startswith("layers."):
            _, number, inner = rest.split(".", 2)
            found = {**alike, **ends[part]}[inner.removesuffix(kind)]
            yield [own[f"{part}.blocks.{number}.{one}{kind}"] for one in found], theirs
        else:
            yield [own[f"{part}.{rest}"]], theirs


def waves(length: int) -> Tensor:
    """The article's formula, number by number."""
    rows = [[position / 10000 ** (2 * (i // 2) / WIDTH) for i in range(WIDTH)] for position in range(length)]
    return torch.tensor([[math.cos(a) if i % 2 else math.sin(a) for i, a in enumerate(row)] for row in rows])


@pytest.mark.parametrize("written_out", [False, True])
@pytest.mark.parametrize("feed_forward", ["relu", "gelu"])
@pytest.mark.parametrize("block", BLOCKS)
def test_outputs_and_gradients_are_those_of_pytorchs_transformer(
    block: str, feed_forward: str, written_out: bool
) -> None:
    model = transformer(written_out, block=block, feed_forward=feed_forward)
    twin, table = twin_of(model), model.tokens.weight.detach().clone().requires_grad_()
    source, present, target = texts()
    read, aims = target[:, :-1], target[:, 1:]
    logits = model(source, read, present)
    cost = model.loss(logits, aims, padding=PADDING, smoothing=0.1)
    cost.backward()

    vectors = [table[ids] * math.sqrt(WIDTH) + waves(ids.shape[1]) for ids in (source, read)]
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    out = twin(*vectors, tgt_mask=later, src_key_padding_mask=~present, memory_key_padding_mask=~present)
    expected = out @ table.T
    wanted = nn.functional.cross_entropy(
        expected.flatten(0, 1), aims.flatten(), ignore_index=PADDING, label_smoothing=0.1
    )
    wanted.backward()
    assert (logits - expected).abs().max() <= 1e-10
    assert abs(cost - wanted) <= 1e-10
    compared = {id(model.tokens.weight)}
    for ours, theirs in pairs(model, twin):
        compared |= {id(one) for one in ours}
        gradient = torch.cat([one.grad for one in ours if one.grad is not None])
        assert theirs.grad is not None
        assert (gradient - theirs.grad).abs().max() <= 1e-10
    assert model.tokens.weight.grad is not None
    assert table.grad is not None
    assert (model.tokens.weight.grad - table.grad).abs().max() <= 1e-10
    assert compared == {id(one) for one in model.parameters()}


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary", "learned"])
@pytest.mark.parametrize("block", BLOCKS)
def test_no_position_sees_the_future_and_all_see_the_source(block: str, positions: str) -> None:
    model = transformer(block=block, positions=positions)
    source, present, target = texts()
    before = model(source, target, present)
    changed = target.clone()
    changed[:, 3] = changed[:, 3] % (VOCAB - 1) + 1
    after = model(source, changed, present)
    assert torch.equal(before[:, :3], after[:, :3])
    assert (before[:, 3:] != after[:, 3:]).any(-1).all()
    last = source.clone()
    last[1, 5] = last[1, 5] % (VOCAB - 1) + 1
    assert (model(last, target, present)[1] != before[1]).any(-1).all()


@pytest.mark.parametrize("block", BLOCKS)
def test_padding_changes_nothing(block: str) -> None:
    model = transformer(block=block)
    source, present, target = texts()
    together = model(source, target, present)
    alone = model(source[2:, :3], target[2:])
    torch.testing.assert_close(together[2:], alone, rtol=0, atol=1e-12)
    other = source.masked_fill(~present, 7)
    assert torch.equal(model(other, target, present), together)


@pytest.mark.parametrize("written_out", [False, True])
@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
@pytest.mark.parametrize("block", BLOCKS)
def test_decoding_with_a_cache_equals_the_whole_pass(block: str, positions: str, written_out: bool) -> None:
    model = transformer(written_out, block=block, positions=positions)
    source, present, target = texts()
    with torch.no_grad():
        whole = model(source, target, present)
        encoded, cache = model.encode(source, present), model.new_cache(3)
        steps = [target[:, :2], *target[:, 2:].split(1, 1)]
        parts = [model.decode(step, encoded, present, cache) for step in steps]
    assert cache.length == 6
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("written_out", [False, True])
@pytest.mark.parametrize("block", BLOCKS)
def test_texts_of_one_source_are_decoded_together(block: str, written_out: bool) -> None:
    """A cache of three texts goes on as two of each source, and then as other two of the last source and the first."""
    model = transformer(written_out, block=block)
    source, present, target = texts()
    twice, sources = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([2, 0])
    others = torch.randint(1, VOCAB, (6, 2), generator=torch.Generator().manual_seed(4))
    last = torch.tensor([5, 5, 1, 0])
    with torch.no_grad():
        encoded, cache = model.encode(source, present), model.new_cache(3)
        model.decode(target[:, :3], encoded, present, cache)
        cache.select(twice)
        found = model.decode(others, encoded, present, cache)
        whole = torch.cat((target[twice, :3], others), 1)
        torch.testing.assert_close(found, model(source[twice], whole, present[twice])[:, 3:], rtol=0, atol=1e-12)
        cache.select(last, sources)
        found = model.decode(others[:4], encoded[sources], present[sources], cache)
        whole = torch.cat((whole[last], others[:4]), 1)
        expected = model(source[twice[last]], whole, present[twice[last]])
    torch.testing.assert_close(found, expected[:, 5:], rtol=0, atol=1e-12)


@pytest.mark.parametrize("written_out", [False, True])
@pytest.mark.parametrize("parts", [{}, {"block": "pre-norm", "tables": "separate"}, {"dropout": 0.3, "tables": "tied"}])
def test_every_derivative_is_ours(parts: dict[str, Any], written_out: bool) -> None:
    model = transformer(written_out, **parts)
    source, present, target = texts()
    graph = list(nodes(model.loss(model(source, target, present), target, padding=PADDING, smoothing=0.1)))
    ours = {node.name() for node in graph if isinstance(node, BackwardCFunction)}
    theirs = {node.name().rpartition("::")[2] for node in graph if not isinstance(node, BackwardCFunction)}
    assert ours
    assert ours <= OURS
    assert theirs <= BOOKKEEPING


@pytest.mark.parametrize("parts", [{}, {"block": "pre-norm", "tables": "separate"}])
def test_the_trace_explains_its_numbers(parts: dict[str, Any]) -> None:
    model = transformer(source_vocab=17 if parts else None, **parts)
    source, present, target = texts()
    with Trace(model) as trace:
        cost = model.loss(model(source, target[:, :-1], present), target[:, 1:], padding=PADDING, smoothing=0.1)
        cost.backward()
    names = {record.name for record in trace}
    weights = ("encoder.blocks.1.attention", "decoder.blocks.2.attention", "decoder.blocks.2.cross_attention")
    assert {f"{name}.weights" for name in weights} <= names
    chance = random.Random(3)
    for record in trace:
        if record.kind == "activation" and record.producer is not None:
            assert len(record.dimensions) == len(record.sizes), record.name
        position = ",".join(str(chance.randrange(size)) for size in record.sizes)
        cell = f"{record.name}[{position}]" if position else record.name
        for phase in ("", "grad:") if record.gradient is not None else ("",):
            explanation = trace.cell(phase + cell)
            assert explanation.agrees, f"{phase}{cell}: {explanation.text(100)}"


def test_the_published_sizes_have_the_published_numbers_of_parameters() -> None:
    with torch.device("meta"):
        counts = {
            name: sum(parameter.numel() for parameter in Transformer(37_000, architecture=chosen).parameters())
            for name, chosen in TRANSFORMER_SIZES.items()
        }
    assert counts["base"] == pytest.approx(65e6, rel=0.04)  # table 3; about 37,000 tokens (5.1)
    assert counts["big"] == pytest.approx(213e6, rel=0.02)


def test_what_does_not_fit_is_refused() -> None:
    model = transformer()
    source, present, target = texts()
    with pytest.raises(Error, match=r"at most 16 tokens of a source.*got 18"):
        model(source.repeat(1, 3), target)
    with pytest.raises(Error, match=r"at most 16 tokens of a target.*got 18"):
        model(source, target.repeat(1, 3))
    with pytest.raises(DimensionError, match=r"source's batch.*\[2, 6\]"):
        model(source, target[:2])
    with pytest.raises(DimensionError, match=r"source's batch.*\[6, 6\]"):
        model(source, target.repeat(2, 1))
    with pytest.raises(DimensionError, match=r"source's batch.*\[4, 6\]"), torch.no_grad():
        model.decode(target[[0, 0, 1, 1]], model.encode(source), None, model.new_cache(4))
    with pytest.raises(DimensionError, match="present"):
        model(source, target, present[:, :4])
    with pytest.raises(Error, match="one vocabulary; got 17 and 13"):
        transformer(source_vocab=17)
    with pytest.raises(Error, match="choice of tables"):
        TranslatorArchitecture(tables="joint")
    with pytest.raises(Error, match=r"at least 1; got .*decoder_blocks 0"):
        TranslatorArchitecture(decoder_blocks=0)
