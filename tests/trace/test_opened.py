"""Every square answers: the arithmetic as data, evaluated by the page, is Python's; for whole models and each phase."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from evaluating import NODE, Asked, assert_page_tells_the_same, chosen_cells, needs_node
from small_gpt import make_gpt, trace_gpt

from kqv.models.convolutional import ConvolutionalNetwork
from kqv.models.families import QWEN3
from kqv.models.network import Network
from kqv.models.recogniser import Recogniser
from kqv.models.transformer import Transformer
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.operations import cross_entropy
from kqv.recording import note
from kqv.systems.digits.traced import trace_pictures
from kqv.trace.opened.answers import Answers
from kqv.trace.trace import Trace
from kqv.training.optimizers import AdamWOptimizer, GradientDescentOptimizer, MuonOptimizer, Optimizer


def asked_of(trace: Trace, each: int = 3) -> Asked:
    return trace, list(chosen_cells(trace, each))


def traced_translator() -> Trace:
    torch.manual_seed(1)
    sizes: dict[str, Any] = {"context": 16, "width": 8, "heads": 2, "hidden": 12, "encoder_blocks": 1}
    model = Transformer(19, None, TranslatorArchitecture(**sizes, decoder_blocks=1, dropout=0.1))
    random = torch.Generator().manual_seed(2)
    source, target = (torch.randint(3, 19, (2, length), generator=random) for length in (6, 5))
    with Trace(model, training=True) as trace:
        logits = model(source, target, torch.arange(6) < torch.tensor([6, 4])[:, None])
        note("loss", cross_entropy(logits, target), "", "C").backward()
    return trace


def traced_pictures(kind: str) -> Trace:
    torch.manual_seed(2)
    model: Recogniser = Network([64, 12, 10], "relu", "cross-entropy")
    if kind == "convolutional":
        model = ConvolutionalNetwork((8, 8), list("0123456789"), (3, 4), 3, 1, hidden=(6,))
    optimizer = GradientDescentOptimizer(model.named_parameters(), 0.1, 0.01, 0.9, 0.001)
    pictures = torch.randint(0, 256, (2, 8, 8), dtype=torch.uint8)
    return trace_pictures(model, pictures, torch.tensor([3, 4]), optimizer)


def traced_step(make: Any, clip: float | None) -> Trace:
    model = make_gpt(bias=False)
    optimizer: Optimizer = make(model)
    optimizer.clip = clip
    for _ in range(2):  # what is remembered of a first step is not 0
        model.zero_grad()
        with Trace(model) as trace:
            model.loss(model(torch.tensor([[1, 2, 3]])), torch.tensor([[2, 3, 4]])).backward()
            trace.step(optimizer)
    return trace


OPTIMIZERS: dict[str, Any] = {
    "gradient descent": lambda model: GradientDescentOptimizer(model.named_parameters(), 0.1, 0.01, 0.9, 0.001),
    "adamw": lambda model: AdamWOptimizer(model.named_parameters(), 0.01, 0.1),
    "muon": lambda model: MuonOptimizer(
        model.named_parameters(),
        {"blocks.0.feed_forward.widen.weight": (), "blocks.0.attention.query_key_value.weight": (8, 8, 8)},
        0.02, 0.01, 0.1,
    ),
}  # fmt: skip

TRACES = {
    "gpt": lambda: trace_gpt(step=True).trace,
    "gpt in training": lambda: trace_gpt(step=False, dropout=0.2).trace,
    "grouped queries": lambda: trace_gpt(step=True, **{**QWEN3.parts, "key_heads": 1, "channels": 6}).trace,
    "distances": lambda: trace_gpt(step=False, positions="alibi", block="post-norm", tied=False).trace,
    "translator": traced_translator,
    "network": lambda: traced_pictures("network"),
    "convolutional": lambda: traced_pictures("convolutional"),
    "gradient descent": lambda: traced_step(OPTIMIZERS["gradient descent"], None),
    "adamw, clipped": lambda: traced_step(OPTIMIZERS["adamw"], 0.1),
    "muon": lambda: traced_step(OPTIMIZERS["muon"], None),
    "muon, clipped": lambda: traced_step(OPTIMIZERS["muon"], 0.1),
}


@needs_node
@pytest.mark.parametrize("name", TRACES)
def test_the_page_tells_what_python_tells(name: str, tmp_path: Path) -> None:
    trace = TRACES[name]()
    answers = Answers.of(trace)
    assert not answers.unknown
    assert_page_tells_the_same([asked_of(trace)], tmp_path)


WEB = Path(__file__).parents[2] / "kqv" / "lab" / "web"
SCRIPT = WEB.parents[1] / "trace" / "views" / "page" / "cells.js"


@needs_node
@pytest.mark.skipif(not (WEB / "node_modules").is_dir(), reason="needs the front end's packages: npm ci in kqv/lab/web")
def test_the_pages_evaluator_is_built_of_its_source(tmp_path: Path) -> None:
    """`cells.js` is kept beside the page, so that a page needs no Node; `npm run cells` writes it."""
    assert NODE is not None
    build = [NODE, WEB / "node_modules" / "vite" / "bin" / "vite.js", "build", "-c", "vite.cells.config.ts"]
    subprocess.run([*build, "--outDir", tmp_path], cwd=WEB, check=True, capture_output=True, timeout=120)
    assert (tmp_path / "cells.js").read_text(encoding="utf-8") == SCRIPT.read_text(encoding="utf-8")
