"""The GPT and its loss compile into one graph, with the loss and gradients of eager mode, and can still be traced.

Compiling runs in a process of its own, where signatures are not checked: the checks cannot be compiled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.backends.registry import CompiledFn, lookup_backend
from twins import PATHS, batch, distance, gpt, gradients

from kqv.models.gpt import GPT
from kqv.operations import cross_entropy
from kqv.trace.trace import Trace


class WithLoss(nn.Module):
    """A model and its loss as one module."""

    def __init__(self, model: GPT) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(self.model(ids), targets)


def compare_without_gradients(backend: str, path: str) -> None:
    """Raise unless the compiled model gives eager's logits where no gradients are wanted, as evaluation does."""
    model, (ids, _) = gpt(PATHS[path], torch.float32).eval(), batch()
    with torch.no_grad():
        expected = model(ids)
        compiled = torch.compile(model, fullgraph=True, backend=backend)
        torch.testing.assert_close(compiled(ids), expected, rtol=1e-5, atol=1e-6)


def compare(backend: str, path: str) -> None:
    """Raise unless the compiled model gives eager's loss and gradients, before and after it was traced."""
    eager, model = (WithLoss(gpt(PATHS[path], torch.float32)) for _ in range(2))
    ids, targets = batch()
    expected = eager(ids, targets)
    expected.backward()
    near = {name: gradient.clone() for name, gradient in gradients(eager).items()}
    largest = max(float(gradient.norm()) for gradient in near.values())
    graphs: list[torch.fx.GraphModule] = []
    compile_graph = lookup_backend(backend)

    def counting(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> CompiledFn:
        graphs.append(graph)
        return compile_graph(graph, inputs)

    compiled = torch.compile(model, fullgraph=True, backend=counting)

    def check() -> None:
        model.zero_grad()
        loss = compiled(ids, targets)
        loss.backward()
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
        for name, gradient in gradients(model).items():
            difference = float((gradient - near[name]).norm())
            assert difference <= 1e-5 * (float(near[name].norm()) + 0.01 * largest), f"{name}: {difference}"

    check()
    traces = {}
    for name, traced in (("compiled", compiled), ("eager", eager)):
        with Trace(traced) as traces[name]:
            traced(ids, targets).backward()
    found = {record.name: record for record in traces["compiled"].tensors}
    wanted = {record.name: record for record in traces["eager"].tensors}
    assert found.keys() == wanted.keys(), found.keys() ^ wanted.keys()
    assert {"model.blocks.1.attention.weights", "model.logits"} <= found.keys()
    for name, record in wanted.items():
        assert torch.equal(found[name].value, record.value), name
        assert (record.gradient is None) == (found[name].gradient is None), name
        if record.gradient is not None:
            assert distance(found[name].gradient, record.gradient) == 0 or not record.gradient.any(), name
    check()
    assert len(graphs) == 1, "tracing must not make it compile anew"


def compare_with_dropout(backend: str) -> None:
    """Raise unless a compiled model in training draws eager's masks, and has its loss and gradients."""
    eager, model = (WithLoss(gpt(written_out=False, dtype=torch.float32, dropout=0.3)) for _ in range(2))
    ids, targets = batch()
    compiled = torch.compile(model, fullgraph=True, backend=backend)
    torch.manual_seed(6)
    expected = eager(ids, targets)
    torch.manual_seed(6)
    loss = compiled(ids, targets)
    expected.backward()
    loss.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    assert compiled(ids, targets).item() != loss.item(), "each step draws its own masks"
    near = gradients(eager)
    for name, gradient in gradients(model).items():
        assert distance(gradient, near[name]) <= 1e-4 or not near[name].norm() > 1e-6, name


def compare_in_its_own_process(backend: str) -> None:
    """`compare` for both ways to compute attention."""
    environment = {**os.environ, "KQV_UNTYPED": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, __file__, backend]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]


def test_one_graph_with_eagers_loss_and_gradients() -> None:
    compare_in_its_own_process("aot_eager")


@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="inductor needs a C++ compiler (g++)")
def test_inductors_code_has_eagers_loss_and_gradients() -> None:
    compare_in_its_own_process("inductor")


if __name__ == "__main__":
    for path in PATHS:
        compare(sys.argv[1], path)
        compare_without_gradients(sys.argv[1], path)
    if sys.argv[1] == "aot_eager":  # inductor draws other random numbers
        compare_with_dropout(sys.argv[1])
