"""Two processes, each with half of a batch, take the step that one process takes with the whole: DDP and FSDP2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from twins import PATHS, batch, gpt, gradients

from kqv.models.gpt import GPT
from kqv.operations import cross_entropy

PROCESSES = 2


def step(model: nn.Module, ids: Tensor, targets: Tensor) -> None:
    """One training step; the gradients stay."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    cross_entropy(model(ids), targets).backward()
    optimizer.step()


def spread(model: GPT, way: str) -> nn.Module:
    """The model for this process: a replica that averages gradients, or a share of every weight."""
    if way == "ddp":
        return DistributedDataParallel(model)
    mesh = init_device_mesh("cpu", (PROCESSES,))
    for block in model.blocks:
        fully_shard(block, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def whole(tensor: Tensor) -> Tensor:
    """The whole tensor, put together from its shares where it has some."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def compare(way: str, path: str, rank: int, meeting: str) -> None:
    """Raise unless this process ends with the gradients and weights of a process alone."""
    torch.set_num_threads(1)
    alone, model = (gpt(PATHS[path], torch.float32) for _ in range(2))
    before = {name: parameter.detach().clone() for name, parameter in alone.named_parameters()}
    ids, targets = batch(texts=2 * PROCESSES)
    step(alone, ids, targets)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=PROCESSES)
    mine = slice(2 * rank, 2 * rank + 2)
    step(spread(model, way), ids[mine], targets[mine])
    if way == "fsdp":
        assert all(isinstance(parameter, DTensor) for parameter in model.parameters())
    found, expected = gradients(model), gradients(alone)
    for name, parameter in alone.named_parameters():
        torch.testing.assert_close(whole(found[name]), expected[name], rtol=1e-5, atol=1e-6)
        after = whole(model.get_parameter(name)).detach()
        torch.testing.assert_close(after, parameter.detach(), rtol=1e-5, atol=1e-6)
        assert not name.endswith("weight") or not torch.allclose(after, before[name], rtol=1e-4, atol=1e-5), name
    dist.barrier()


@pytest.mark.skipif(not dist.is_available() or not dist.is_gloo_available(), reason="this PyTorch has no gloo")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_two_processes_take_the_step_of_one(way: str, path: str, tmp_path: Path) -> None:
    environment = {**os.environ, "KQV_UNTYPED": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    if sys.platform == "linux":
        environment["GLOO_SOCKET_IFNAME"] = "lo"  # the processes meet on this machine, whatever its name resolves to
    # they meet in a file: no port to be taken by another
    commands = [
        [sys.executable, __file__, way, path, str(rank), str(tmp_path / "meeting")] for rank in range(PROCESSES)
    ]
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    try:
        errors = [process.communicate(timeout=120)[1] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0] * PROCESSES, "\n".join(error[-3000:] for error in errors)


if __name__ == "__main__":
    compare(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
    # All is compared. PyTorch's threads for the other process can abort this one when Python takes them down, on a busy
    # machine, rarely; that is not what is tested here.
    os._exit(0)
