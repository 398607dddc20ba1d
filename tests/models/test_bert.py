"""The encoder: what a position sees, padding, its two ways of attention, its graph; sentence vectors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from test_graph import BOOKKEEPING, OURS, nodes
from torch import Tensor
from torch.autograd.function import BackwardCFunction

from kqv.errors import DimensionError, Error
from kqv.models.architecture import Architecture
from kqv.models.bert import BERT
from kqv.models.families import BERT as FAMILY
from kqv.models.families import family_of
from kqv.models.sentence_vectors import sentence_vectors, similarities, unit_vectors
from kqv.trace.trace import Trace

VOCAB, WIDTH, CONTEXT = 13, 12, 16


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def encoder(written_out: bool = False, **parts: object) -> BERT:
    """A small one whose biases and norms are random too."""
    torch.manual_seed(1)
    sizes = {**FAMILY.parts, "context": CONTEXT, "width": WIDTH, "heads": 3, "blocks": 2, "dropout": 0.0}
    model = BERT(VOCAB, Architecture(**{**sizes, **parts}), written_out=written_out)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def texts() -> tuple[Tensor, Tensor, Tensor]:
    """Ids and types of three texts, of which two are padded."""
    chance = torch.Generator().manual_seed(2)
    ids = torch.randint(1, VOCAB, (3, 7), generator=chance)
    types = torch.randint(0, 2, (3, 7), generator=chance)
    present = torch.ones(3, 7, dtype=torch.bool)
    present[0, 4:] = present[2, 6:] = False
    return ids, types, present


def test_every_position_sees_every_other() -> None:
    model, (ids, _, _) = encoder(), texts()
    vectors = model.tokens(ids[:1]).detach()
    for position in range(ids.shape[1]):
        given = vectors.clone().requires_grad_()
        handle = model.tokens.register_forward_hook(lambda *_, given=given: given)
        model(ids[:1])[0, position].square().sum().backward()
        handle.remove()
        assert given.grad is not None
        assert bool((given.grad[0].abs().sum(-1) > 1e-6).all()), position


def test_padding_changes_nothing() -> None:
    model, (ids, types, present) = encoder(), texts()
    found = model(ids, types, present)
    for row, there in enumerate(present):
        length = int(there.sum())
        alone = model(ids[row : row + 1, :length], types[row : row + 1, :length])
        assert torch.allclose(found[row, :length], alone[0], atol=1e-12)
    assert not torch.allclose(model(ids, types)[0, :4], found[0, :4], atol=1e-3), "padding would be seen otherwise"


def test_types_count_and_are_0_where_nobody_says_them() -> None:
    model, (ids, types, _) = encoder(), texts()
    assert torch.equal(model(ids), model(ids, torch.zeros_like(ids)))
    assert not torch.allclose(model(ids), model(ids, types), atol=1e-3)


@pytest.mark.parametrize("padded", [False, True])
def test_both_ways_of_attention_are_equal(padded: bool) -> None:
    ids, types, present = texts()
    found = []
    for written_out in (False, True):
        model = encoder(written_out)
        hidden = model(ids, types, present if padded else None)
        hidden[present].square().sum().backward()
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        assert len(gradients) == len(list(model.parameters()))
        found.append((hidden[present], *gradients))
    for fused, written in zip(*found, strict=True):
        assert torch.allclose(fused, written, atol=1e-10)


def test_a_trace_gives_the_same_and_records_all_of_it() -> None:
    model, (ids, types, present) = encoder(), texts()
    with Trace(model) as trace:
        hidden = model(ids, types, present)
    assert torch.allclose(hidden, model(ids, types, present), atol=1e-12)
    weights = trace["blocks.1.attention.weights"].value
    assert weights.shape == (3, 3, 7, 7)
    assert torch.allclose(weights.sum(-1), torch.ones(()))
    assert bool((weights[0, :, :, 4:] == 0).all()), "padding gets no weight"
    assert bool((weights[1].triu(1).sum((0, 1)) > 0)[1:].all()), "later positions are seen"
    assert trace["types.weight"].dimensions == ("type", "model")


def test_every_derivative_is_ours() -> None:
    model, (ids, types, present) = encoder(), texts()
    vectors = sentence_vectors(model(ids, types, present), present)
    graph = list(nodes(similarities(vectors, vectors)))
    assert {node.name() for node in graph if isinstance(node, BackwardCFunction)} <= OURS
    others = {node.name().rpartition("::")[2] for node in graph if not isinstance(node, BackwardCFunction)}
    assert others <= BOOKKEEPING


def test_a_pre_norm_encoder_ends_in_a_norm() -> None:
    model, (ids, _, _) = encoder(block="pre-norm", norm="rms"), texts()
    with torch.no_grad():
        assert model.norm is not None
        model.norm.weight.fill_(1.0)
    assert torch.allclose(model(ids).square().mean(-1), torch.ones(()), atol=1e-6)
    assert "pre-norm blocks, rms norm" in model.describe()


def test_what_it_is() -> None:
    model = encoder()
    assert model.describe() == ("an encoder of BERT's architecture, 2 blocks, 3 heads, 12 wide, context 16, vocab 13")
    assert family_of(model.architecture) is None, "an encoder is no GPT"


def test_what_does_not_fit_is_refused() -> None:
    model, (ids, types, present) = encoder(), texts()
    with pytest.raises(DimensionError, match=r"ids\[batch, position\]"):
        model(ids[0])
    with pytest.raises(DimensionError, match=r"types\[3, 6\] does not fit ids\[3, 7\]"):
        model(ids, types[:, 1:])
    with pytest.raises(DimensionError, match=r"present\[1, 7\] does not fit"):
        model(ids, types, present[:1])
    with pytest.raises(Error, match="at most 16 tokens at once"):
        model(torch.ones(1, 17, dtype=torch.long))
    with pytest.raises(Error, match="at least 1 token and 1 token type"):
        BERT(5, types=0)


# Sentence vectors


def test_a_sentence_vector_is_the_mean_of_what_is_there() -> None:
    hidden, present = torch.randn(3, 7, WIDTH), texts()[2]
    found = sentence_vectors(hidden, present)
    for row, there in enumerate(present):
        assert torch.allclose(found[row], hidden[row, there].mean(0))
    assert torch.allclose(sentence_vectors(hidden), hidden.mean(1))
    assert bool((sentence_vectors(hidden, torch.zeros_like(present)) == 0).all())


def test_unit_vectors_have_length_1_and_a_vector_of_zeros_stays_one() -> None:
    vectors = torch.randn(4, WIDTH) * torch.tensor([[1e-3], [1.0], [50.0], [0.0]])
    found = unit_vectors(vectors)
    assert torch.allclose(found[:3].norm(dim=-1), torch.ones(3))
    assert torch.allclose(found[:3], torch.nn.functional.normalize(vectors[:3]))
    assert bool((found[3] == 0).all())


def test_similarities_are_cosines_of_all_pairs_with_their_gradient() -> None:
    a, b = torch.randn(4, WIDTH, requires_grad=True), torch.randn(3, WIDTH, requires_grad=True)
    expected = torch.nn.functional.cosine_similarity(a[:, None], b[None], dim=-1)
    weights = torch.randn(4, 3)
    wanted = torch.autograd.grad((expected * weights).sum(), (a, b))
    found = similarities(a, b)
    assert torch.allclose(found, expected)
    for ours, theirs in zip(torch.autograd.grad((found * weights).sum(), (a, b)), wanted, strict=True):
        assert torch.allclose(ours, theirs)
