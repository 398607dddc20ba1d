"""A model through PyTorch's compiler, which writes C++ or Triton code for it and needs a compiler to build that."""

from __future__ import annotations

import os
import shutil
import sys
from typing import cast

import torch
from torch import nn

from kqv.errors import Error

COMPILERS = ("g++", "clang++", "c++", "cl")


def compiled(model: nn.Module) -> nn.Module:
    """The model with its forward pass compiled at the first call; the weights are the same.

    Raises `Error` where there is no C++ compiler.
    """
    wanted = os.environ.get("CXX")
    if not any(shutil.which(name) for name in ([wanted] if wanted else COMPILERS)):
        how = "xcode-select --install" if sys.platform == "darwin" else "g++, say"
        raise Error(f"--compile needs a C++ compiler, and there is none; install one ({how}), or leave out --compile")
    return cast(nn.Module, torch.compile(model))
