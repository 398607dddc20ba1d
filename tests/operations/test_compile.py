"""Every operation compiles into one graph, with the same outputs and gradients as without compiling.

Compiling runs in a process of its own, where signatures are not checked: the checks cannot be compiled.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest
import torch
from cases import CASES, Case
from torch import Tensor

from kqv.operations import OPERATIONS


def _first_cases() -> list[Case]:
    """One case of each operation, of ordinary size."""
    return [next(case for case in CASES if case.operation is operation) for operation in OPERATIONS.values()]


def _compare() -> None:
    """Raise unless the compiled function of all operations gives what the plain one gives."""
    chosen = _first_cases()
    inputs = [case.inputs() for case in chosen]
    wanted = [tensor for row in inputs for tensor in row if tensor is not None and tensor.requires_grad]

    def everything(rows: list[list[Tensor | None]]) -> list[Tensor]:
        return [case.operation(*row, **case.options) for case, row in zip(chosen, rows, strict=True)]

    def loss(outputs: list[Tensor]) -> Tensor:
        finite = [output[output.isfinite()] for output in outputs if output.requires_grad]
        return torch.stack([(part.sin() * torch.arange(1, part.numel() + 1)).sum() for part in finite]).sum()

    plain = everything(inputs)
    plain_gradients = torch.autograd.grad(loss(plain), wanted)
    compiled = torch.compile(everything, fullgraph=True, backend="aot_eager")(inputs)
    compiled_gradients = torch.autograd.grad(loss(compiled), wanted)
    for found, expected in zip([*compiled, *compiled_gradients], [*plain, *plain_gradients], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pair", ["kernel", "definition"])
def test_every_operation_compiles_into_one_graph(pair: str) -> None:
    environment = {**os.environ, "KQV_UNTYPED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, __file__, pair]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]


if __name__ == "__main__":
    with ExitStack() as stack:
        if sys.argv[1] == "definition":
            for operation in OPERATIONS.values():
                stack.enter_context(operation.replaced(operation.definition))
        _compare()
