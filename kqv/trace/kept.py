"""A tensor kept by reference, with a check that nothing changed it since."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from kqv.errors import TraceError
from kqv.recording import unseen


@dataclass
class Kept:
    """A tensor and the version that it had; every change in place raises PyTorch's count of versions.

    A change through `tensor.data` is not counted by PyTorch, so it can't be noticed here.
    """

    tensor: Tensor
    version: int

    @classmethod
    def of(cls, tensor: Tensor) -> Kept:
        """Keep a tensor as it is now."""
        return cls(tensor, -1 if tensor.is_inference() else tensor._version)

    @property
    def unchanged(self) -> bool:
        """Whether the tensor is as it was when it was kept."""
        return self.version < 0 or self.tensor._version == self.version

    def read(self, name: str) -> Tensor:
        """The tensor, without its graph; `TraceError` when something changed it in place since."""
        if not self.unchanged:
            raise TraceError(
                f"{name} was changed in place after it was recorded, so the value that it had is lost; "
                "take optimizer steps with trace.step(optimizer), and clone a tensor before changing it"
            )
        with unseen():
            return self.tensor.detach()
