"""Machines by name: what a GPU can compute and hold, as its maker says."""

from __future__ import annotations

from dataclasses import dataclass

from kqv.errors import Error

UTILISATION = 0.4
"""Of a GPU's peak, what a well-written training of a large model reaches; a small model reaches less (Chowdhery et al.
2022, table 3: 46 %; Grattafiori et al. 2024, table 4: 38 to 43 %)."""


LAUNCH = 1e-5
"""Seconds that PyTorch needs to start an operation on a GPU, about: what small models wait for."""


@dataclass(frozen=True)
class GPU:
    """A GPU's `title`; `flops`: dense products a second in bfloat16 (float16 where it has no other), sums in float32;
    `memory`: bytes."""

    title: str
    flops: float
    memory: float

    def seconds(self, flops: float, kernels: int) -> float:
        """How long so many floating-point operations take, in so many operations of PyTorch."""
        return max(flops / (self.flops * UTILISATION), kernels * LAUNCH)


GPUS: dict[str, GPU] = {
    "t4": GPU("NVIDIA T4", 65e12, 16e9),
    "l4": GPU("NVIDIA L4", 121e12, 24e9),
    "rtx4090": GPU("NVIDIA RTX 4090", 165e12, 24e9),
    "a100": GPU("NVIDIA A100 80 GB", 312e12, 80e9),
    "h100": GPU("NVIDIA H100 SXM", 989e12, 80e9),
    "h200": GPU("NVIDIA H200", 989e12, 141e9),
    "b200": GPU("NVIDIA B200", 2250e12, 180e9),
}
"""By name, from small to large; figures of NVIDIA's data sheets, without sparsity."""

USUAL = ("t4", "rtx4090", "h100")
"""Which ones are shown unless others are asked for."""


def gpu_named(name: str) -> GPU:
    """A GPU by name; `Error` that lists the names for one that is not known."""
    found = GPUS.get(name.lower().replace(" ", "").replace("-", ""))
    if found is None:
        raise Error(f"no figures of a GPU {name!r} are known; choose one of: {', '.join(GPUS)}")
    return found
