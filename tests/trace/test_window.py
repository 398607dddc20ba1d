"""A trace of a few blocks tells the same as the whole, and keeps less."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
import torch

from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.systems.gpt.traced import trace_text
from kqv.trace.memory import bytes_expected, bytes_held
from kqv.trace.trace import Trace
from kqv.trace.window import Window, blocks_of, trace_for, window_for

FORMS = {
    "gpt2": Architecture(context=12, width=8, heads=2, blocks=3, dropout=0.1),
    "llama": Architecture(
        context=12, width=8, heads=4, key_heads=2, blocks=3, positions="rotary", norm="rms", feed_forward="swiglu",
        bias=False, tied=False,
    ),
    "post-norm": Architecture(context=12, width=8, heads=2, blocks=3, block="post-norm"),
}  # fmt: skip
CELLS = [
    "blocks.1.attention.scores[0,0,5,2]", "grad:blocks.1.attention.weights[0,1,5,2]", "blocks.0.output[0,3,1]",
    "grad:blocks.0.output[0,3,1]", "grad:blocks.2.output[0,3,1]", "grad:blocks.2.feed_forward.widen.weight[3,1]",
    "blocks.2.attention_norm.weight[1]", "logits[0,3,4]", "grad:logits[0,3,4]", "grad:tokens.weight[2,1]", "cost",
    "grad:token_vectors[0,2,1]", "grad:blocks.0.attention.projection.weight[3,1]",
]  # fmt: skip
IDS = torch.tensor([1, 4, 2, 2, 6, 0, 3, 5])


INSIDE = {
    "blocks.1.attention_norm", "blocks.1.attention.query_key_value", "blocks.1.attention.dropout",
    "blocks.1.attention.weights_dropout", "blocks.1.feed_forward_norm", "blocks.1.feed_forward",
}  # fmt: skip


def model_of(form: str) -> GPT:
    """A small model with random weights, norms and biases too."""
    torch.manual_seed(1)
    model = GPT(7, FORMS[form])
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def traced(model: GPT, window: Window | None, training: bool = False) -> Trace:
    """A trace with the same dropout masks each time."""
    torch.manual_seed(2)
    backward = window is None or window.backward
    return trace_text(model, IDS, training=training, backward=backward, window=window)


def told(model: GPT, cell: str, training: bool = False) -> str:
    """What is said of a cell in the smallest window that will do."""
    trace = trace_for([cell], model, lambda window: traced(model, window, training))
    assert trace.window is not None
    return trace.cell(cell).text(100)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cell", CELLS)
def test_tells_the_same_as_the_whole(form: str, cell: str) -> None:
    if form == "llama":
        cell = cell.replace("scores[0,0", "scores[0,0,0").replace("weights[0,1", "weights[0,1,0")
    model = model_of(form)
    assert told(model, cell) == traced(model, None).cell(cell).text(100)


def test_dropout_is_the_same_when_a_block_is_computed_again() -> None:
    model, cell = model_of("gpt2"), "grad:blocks.0.attention.weights[0,1,5,2]"
    assert told(model, cell, training=True) == traced(model, None, training=True).cell(cell).text(100)
    assert told(model, cell, training=True) != told(model, cell)


def test_other_blocks_are_not_recorded_but_their_outputs() -> None:
    trace = traced(model_of("gpt2"), window_for(["blocks.1.attention.scores[0,0,5,2]"], model_of("gpt2")))
    inside = {record.name for record in trace if record.kind == "activation" and record.name.startswith("blocks.0")}
    assert inside == {"blocks.0.output"}
    assert trace["blocks.0.output"].dimensions == ("batch", "position", "model")
    assert "blocks.1.attention.weights" in trace


@pytest.mark.parametrize(
    ("cells", "passed_over", "backward", "around"),
    [
        (["logits[0,0,0]"], {"blocks.0", "blocks.1", "blocks.2"}, False, False),
        (["grad:blocks.1.attention.projection.weight[0,0]"], {"blocks.0", "blocks.2", *INSIDE}, True, False),
        (["grad:tokens.weight[0,0]"], {"blocks.0", "blocks.1", "blocks.2"}, True, True),
    ],
)
def test_window_for_cells(cells: list[str], passed_over: set[str], backward: bool, around: bool) -> None:
    assert window_for(cells, model_of("gpt2")) == Window(frozenset(passed_over), backward, around)


def test_an_update_takes_a_whole_trace() -> None:
    assert window_for(["logits[0,0,0]", "update:tokens.weight[0,0]"], model_of("gpt2")) is None


def test_the_model_is_left_as_it_was() -> None:
    model = model_of("gpt2")
    model.tokens.weight.requires_grad_(False)
    before = [(name, parameter.requires_grad) for name, parameter in model.named_parameters()]
    traced(model, window_for(["grad:blocks.1.output[0,0,0]"], model))
    assert [(name, parameter.requires_grad) for name, parameter in model.named_parameters()] == before
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any("forward" in vars(block) for block in blocks_of(model).values())
    assert not any(block._forward_pre_hooks for block in blocks_of(model).values())


def test_it_holds_less() -> None:
    model = model_of("gpt2")
    whole, window = traced(model, None), traced(model, window_for(["grad:blocks.1.output[0,0,0]"], model))
    assert bytes_held(window) < 0.7 * bytes_held(whole)


@pytest.mark.parametrize("backward", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_how_much_a_longer_text_will_hold(form: str, backward: bool) -> None:
    model = model_of(form)

    def trace_of(count: int) -> Trace:
        return trace_text(model, IDS[:count], backward=backward)

    expected = bytes_expected(trace_of, len(IDS))
    assert all(parameter.grad is None for parameter in model.parameters())
    gradients = sum(parameter.nbytes for parameter in model.parameters()) if backward else 0
    assert expected == bytes_held(trace_of(len(IDS))) + gradients


@pytest.mark.parametrize("window_of", [lambda model: None, lambda model: window_for(["grad:cost"], model)])
def test_a_trace_that_nobody_holds_is_freed(window_of: Callable[[GPT], Window | None]) -> None:
    model = model_of("gpt2")
    trace = traced(model, window_of(model))
    tensors = [weakref.ref(record.tensor) for record in trace if record.kind == "activation"]
    assert len(tensors) > 10
    del trace
    gc.collect()
    assert not any(tensor() is not None for tensor in tensors)
