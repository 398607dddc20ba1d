"""No position sees a later one, in values or gradients; both ways to compute attention are one function."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from twins import CONTEXT, PATHS, VOCAB, batch, distance, gpt, gradients

from kqv.operations import cross_entropy


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("position", [1, CONTEXT // 2, CONTEXT - 1])
def test_a_later_token_changes_no_earlier_logit(path: str, position: int) -> None:
    model = gpt(PATHS[path])
    ids, _ = batch()
    changed = ids.clone()
    changed[:, position] = (ids[:, position] + 1) % VOCAB
    before, after = model(ids), model(changed)
    assert torch.equal(before[:, :position], after[:, :position])
    assert not torch.isclose(before[:, position:], after[:, position:]).all(-1).any(), (
        "every position from there on sees it"
    )


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("position", [0, CONTEXT // 2, CONTEXT - 2])
def test_an_earlier_loss_gives_later_embeddings_a_gradient_of_exactly_zero(path: str, position: int) -> None:
    model = gpt(PATHS[path])
    embedded: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        output.retain_grad()
        embedded.append(output)

    model.tokens.register_forward_hook(keep)
    ids, targets = batch()
    cross_entropy(model(ids)[:, : position + 1], targets[:, : position + 1]).backward()
    (vectors,) = embedded
    assert vectors.grad is not None
    assert not vectors.grad[:, position + 1 :].any()
    assert vectors.grad[:, : position + 1].abs().amax(-1).min() > 0, "every position up to there has a part in it"


def test_written_out_and_fused_attention_are_one_function() -> None:
    fused, written_out = gpt(written_out=False), gpt(written_out=True)
    ids, targets = batch()
    logits = {model: model(ids) for model in (fused, written_out)}
    assert distance(logits[fused], logits[written_out]) < 1e-12
    for found in logits.values():
        cross_entropy(found, targets).backward()
    expected = gradients(written_out)
    for name, gradient in gradients(fused).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-12, atol=1e-12, msg=name)
