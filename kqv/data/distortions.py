"""Pictures distorted at random while a network trains, as if other hands had written them.

Affine and elastic distortions of the literature (Simard, Steinkraus, Platt 2003, Best practices for convolutional
neural networks applied to visual document analysis; Cireşan et al. 2010, Deep, big, simple neural nets). Every picture
is taken at displaced positions, by bilinear interpolation, with empty ground outside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from kqv.errors import Error


@dataclass(frozen=True)
class Distortion:
    """How strongly pictures are distorted; each number is the most that is drawn, evenly on both sides of none.

    `rotation` and `shear` are angles in degrees, `scaling` is a share of each side for itself, `shift` a share of the
    width and of the height. `elastic` is the strength α and `smoothness` the σ of the displacement field in pixels: a
    displacement from −1 to 1 is drawn for each pixel, smoothed by a Gaussian of standard deviation σ and scaled by α.
    Drawn above 0, a rotation turns anticlockwise. Raises `Error` where it is elastic without a σ above 0.
    """

    rotation: float = 0.0
    scaling: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0
    smoothness: float = 6.0

    def __post_init__(self) -> None:
        if self.elastic and not self.smoothness > 0:
            raise Error(f"an elastic distortion needs a smoothness in pixels above 0, got {self.smoothness}")


def distorted(pictures: Tensor, distortion: Distortion, chance: Tensor, noise: Tensor | None = None) -> Tensor:
    """`pictures[batch, row, column]`, each distorted by its own draw.

    `chance[batch, 6]` and `noise[batch, 2, row, column]` are numbers from −1 to 1, as `draw` gives them.
    """
    batch, rows, columns = pictures.shape
    affine = _affine(chance, distortion, rows / columns).to(pictures.dtype)
    positions = torch.nn.functional.affine_grid(affine, [batch, 1, rows, columns], align_corners=False)
    if noise is not None:
        positions = positions + _displacement(noise, distortion)
    taken = torch.nn.functional.grid_sample(pictures[:, None], positions, padding_mode="zeros", align_corners=False)
    return taken[:, 0]


def draw(
    batch: int, shape: tuple[int, int], distortion: Distortion, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """The numbers from −1 to 1 that decide over the distortion of a batch; noise only where it is elastic."""
    chance = torch.rand((batch, 6), generator=generator) * 2 - 1
    if not distortion.elastic:
        return chance, None
    return chance, torch.rand((batch, 2, *shape), generator=generator) * 2 - 1


def _affine(chance: Tensor, distortion: Distortion, tallness: float) -> Tensor:
    """From positions in the new picture to positions in the old, `[batch, 2, 3]`, in units of half the picture's size.

    These are of different length where height by width, `tallness`, is not 1; angles are between lengths in pixels.
    """
    angle = chance[:, 0] * math.radians(distortion.rotation)
    slant = (chance[:, 1] * math.radians(distortion.shear)).tan()
    wide, high = 1 + chance[:, 2] * distortion.scaling, 1 + chance[:, 3] * distortion.scaling
    cosine, sine = angle.cos(), angle.sin()
    right, down = chance[:, 4] * 2 * distortion.shift, chance[:, 5] * 2 * distortion.shift
    first = torch.stack([cosine / wide, (cosine * slant - sine) / wide * tallness, right], dim=1)
    second = torch.stack([sine / high / tallness, (sine * slant + cosine) / high, down], dim=1)
    return torch.stack([first, second], dim=1)


def _displacement(noise: Tensor, distortion: Distortion) -> Tensor:
    """The elastic displacement `[batch, row, column, 2]` (to the right, down), in units of half the picture's size."""
    rows, columns = noise.shape[2:]
    down, across = (_smoother(size, distortion.smoothness).to(noise) for size in (rows, columns))
    field = down @ noise @ across.T * distortion.elastic
    return torch.stack([field[:, 0] * (2 / columns), field[:, 1] * (2 / rows)], dim=-1)


@lru_cache(maxsize=16)
def _smoother(size: int, deviation: float) -> Tensor:
    """The matrix `[size, size]` that smooths along one axis: shares of a Gaussian, cut off at the border."""
    positions = torch.arange(size, dtype=torch.float64)
    weights = (-((positions[:, None] - positions) ** 2) / (2 * deviation**2)).exp() / (
        deviation * math.sqrt(2 * math.pi)
    )
    return weights.float()
