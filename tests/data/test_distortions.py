"""Distortions: each bends a picture the way and by as much as it says, against plain loops computed live."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from kqv.data.distortions import Distortion, distorted, draw
from kqv.errors import Error

ROTATION, SHEAR, WIDTH, HEIGHT, RIGHT, DOWN = range(6)
"""What each number of `chance` decides."""


def chance(**numbers: float) -> Tensor:
    """One picture's draw, `[1, 6]`: zero but for those named."""
    names = {"rotation": ROTATION, "shear": SHEAR, "width": WIDTH, "height": HEIGHT, "right": RIGHT, "down": DOWN}
    row = torch.zeros(1, 6, dtype=torch.float64)
    for name, number in numbers.items():
        row[0, names[name]] = number
    return row


def random_pictures(batch: int, rows: int, columns: int) -> Tensor:
    return torch.rand((batch, rows, columns), dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def bilinear(picture: Tensor, row: float, column: float) -> float:
    """The picture at a position between its pixels' centres; empty ground outside."""
    top, left = math.floor(row), math.floor(column)
    found = 0.0
    for y, x in product((top, top + 1), (left, left + 1)):
        if 0 <= y < picture.shape[0] and 0 <= x < picture.shape[1]:
            found += (1 - abs(row - y)) * (1 - abs(column - x)) * float(picture[y, x])
    return found


def moments(picture: Tensor) -> tuple[float, float, float, float, float]:
    """The ink's centre (to the right, down), its spread in both directions, and its axis's angle, anticlockwise."""
    rows, columns = picture.shape
    share = picture / picture.sum()
    y, x = torch.meshgrid(torch.arange(rows).double(), torch.arange(columns).double(), indexing="ij")
    right, down = float((share * x).sum()), float((share * y).sum())
    xx = float((share * (x - right) ** 2).sum())
    yy = float((share * (y - down) ** 2).sum())
    xy = float((share * (x - right) * (y - down)).sum())
    return right, down, math.sqrt(xx), math.sqrt(yy), math.degrees(0.5 * math.atan2(-2 * xy, xx - yy))


def blob(rows: int, columns: int, wide: float, high: float) -> Tensor:
    """Ink that fades from the picture's centre as a Gaussian: a smooth bar where it is wider than high."""
    y, x = (torch.arange(size, dtype=torch.float64) - (size - 1) / 2 for size in (rows, columns))
    return (-((y[:, None] / high) ** 2 + (x / wide) ** 2) / 2).exp()


@pytest.mark.parametrize("shape", [(8, 8), (5, 9)])
def test_without_distortion_the_picture_comes_back(shape: tuple[int, int]) -> None:
    pictures, generator = random_pictures(4, *shape), torch.Generator().manual_seed(2)
    numbers, noise = draw(4, shape, Distortion(), generator)
    assert noise is None
    torch.testing.assert_close(distorted(pictures, Distortion(), numbers.double()), pictures, rtol=0, atol=1e-12)
    single = pictures.float()
    torch.testing.assert_close(distorted(single, Distortion(), numbers), single, rtol=0, atol=1e-5)


def test_a_quarter_turn_is_anticlockwise_and_exact() -> None:
    picture = random_pictures(1, 7, 7)
    turned = distorted(picture, Distortion(rotation=90), chance(rotation=1))
    torch.testing.assert_close(turned, torch.rot90(picture, 1, (1, 2)), rtol=0, atol=1e-12)
    back = distorted(picture, Distortion(rotation=90), chance(rotation=-1))
    torch.testing.assert_close(back, torch.rot90(picture, -1, (1, 2)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(61, 61), (41, 81)])
@pytest.mark.parametrize("share", [1.0, 0.4, -0.7])
def test_a_bar_turns_by_the_angle(share: float, shape: tuple[int, int]) -> None:
    bar = blob(*shape, wide=7, high=3)
    right, down, *_, angle = moments(distorted(bar[None], Distortion(rotation=30), chance(rotation=share))[0])
    assert angle == pytest.approx(30 * share, abs=0.1)
    assert (right, down) == pytest.approx(((shape[1] - 1) / 2, (shape[0] - 1) / 2), abs=1e-6)


@pytest.mark.parametrize("shape", [(61, 61), (41, 81)])
def test_shear_slants_an_upright_bar_and_keeps_its_height(shape: tuple[int, int]) -> None:
    bar = blob(*shape, wide=1.5, high=6)
    slanted = distorted(bar[None], Distortion(shear=20), chance(shear=1))[0]
    y = torch.arange(shape[0], dtype=torch.float64) - (shape[0] - 1) / 2
    x = torch.arange(shape[1], dtype=torch.float64) - (shape[1] - 1) / 2
    slope = float((slanted * y[:, None] * x).sum() / (slanted * y[:, None] ** 2).sum())
    assert slope == pytest.approx(-math.tan(math.radians(20)), rel=0.01)
    assert moments(slanted)[3] == pytest.approx(moments(bar)[3], rel=1e-6)


@pytest.mark.parametrize("shares", [(1.0, -1.0), (-0.5, 1.0)])
def test_scaling_scales_the_spread_of_each_side_for_itself(shares: tuple[float, float]) -> None:
    picture = blob(64, 80, wide=5, high=4)
    numbers = chance(width=shares[0], height=shares[1])
    _, _, wide, high, _ = moments(distorted(picture[None], Distortion(scaling=0.25), numbers)[0])
    _, _, wide_before, high_before, _ = moments(picture)
    assert wide / wide_before == pytest.approx(1 + 0.25 * shares[0], rel=0.01)  # between pixels, ink spreads a little
    assert high / high_before == pytest.approx(1 + 0.25 * shares[1], rel=0.01)


@pytest.mark.parametrize(("right", "down"), [(1.0, 0.0), (0.0, -1.0), (-1.0, 1.0), (0.5, 0.0)])
def test_a_shift_of_whole_pixels_is_exact_and_nothing_comes_back_at_the_other_side(right: float, down: float) -> None:
    rows, columns, shift = 8, 16, 1 / 8  # at most one row and two columns
    picture = random_pictures(1, rows, columns)
    expected = torch.zeros_like(picture)
    for row, column in product(range(rows), range(columns)):
        y, x = row + int(down * shift * rows), column + int(right * shift * columns)
        if 0 <= y < rows and 0 <= x < columns:
            expected[0, row, column] = picture[0, y, x]
    found = distorted(picture, Distortion(shift=shift), chance(right=right, down=down))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_what_leaves_the_picture_is_gone() -> None:
    edge = torch.zeros(1, 8, 8, dtype=torch.float64)
    edge[0, :, 0] = 1.0  # the left column
    assert torch.equal(distorted(edge, Distortion(shift=0.5), chance(right=1)), torch.zeros_like(edge))
    full = torch.ones(1, 8, 8, dtype=torch.float64)
    turned = distorted(full, Distortion(rotation=45), chance(rotation=1))[0]
    assert float(turned[0, 0]) == 0.0, "there is no ink outside that could come into a corner"
    assert float(turned[3, 3]) == pytest.approx(1.0)


@pytest.mark.parametrize("shape", [(9, 9), (7, 10)])
def test_all_together_are_a_plain_loops(shape: tuple[int, int]) -> None:
    distortion = Distortion(rotation=40, scaling=0.3, shear=25, shift=0.2)
    pictures = random_pictures(5, *shape)
    numbers = draw(5, shape, distortion, torch.Generator().manual_seed(3))[0].double()
    found = distorted(pictures, distortion, numbers)
    rows, columns = shape
    for picture, own, result in zip(pictures, numbers.tolist(), found, strict=True):
        angle, slant = math.radians(40 * own[ROTATION]), math.tan(math.radians(25 * own[SHEAR]))
        for row, column in product(range(rows), range(columns)):
            x, y = column - (columns - 1) / 2, row - (rows - 1) / 2  # in pixels from the centre
            x += slant * y
            x, y = math.cos(angle) * x - math.sin(angle) * y, math.sin(angle) * x + math.cos(angle) * y
            x, y = x / (1 + 0.3 * own[WIDTH]), y / (1 + 0.3 * own[HEIGHT])
            x, y = x + 0.2 * columns * own[RIGHT], y + 0.2 * rows * own[DOWN]
            expected = bilinear(picture, y + (rows - 1) / 2, x + (columns - 1) / 2)
            assert float(result[row, column]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shape", [(8, 8), (6, 9)])
def test_elastic_displacement_is_a_plain_loops_smoothing(shape: tuple[int, int]) -> None:
    distortion = Distortion(elastic=8, smoothness=1.5)
    pictures, generator = random_pictures(2, *shape), torch.Generator().manual_seed(4)
    numbers, drawn = draw(2, shape, distortion, generator)
    assert drawn is not None
    found = distorted(pictures, distortion, numbers.double(), drawn.double())

    def gaussian(distance: int) -> float:
        return math.exp(-(distance**2) / (2 * 1.5**2)) / (1.5 * math.sqrt(2 * math.pi))

    positions = list(product(range(shape[0]), range(shape[1])))
    moved = 0.0
    for picture, noise, result in zip(pictures, drawn.tolist(), found, strict=True):
        for row, column in positions:
            right, down = (
                8 * sum(gaussian(row - y) * gaussian(column - x) * noise[axis][y][x] for y, x in positions)
                for axis in (0, 1)
            )
            moved = max(moved, abs(right), abs(down))
            expected = bilinear(picture, row + down, column + right)
            assert float(result[row, column]) == pytest.approx(expected, abs=1e-5)  # the shares are single precision
    assert moved > 0.5, "the pictures have to bend far enough to tell"


def test_the_same_generator_draws_the_same() -> None:
    distortion = Distortion(rotation=10, elastic=5)
    draws = [draw(6, (8, 8), distortion, torch.Generator().manual_seed(seed)) for seed in (7, 7, 8)]
    (chance_one, noise_one), (chance_two, noise_two), (chance_three, noise_three) = draws
    assert noise_one is not None
    assert noise_two is not None
    assert noise_three is not None
    assert torch.equal(chance_one, chance_two)
    assert torch.equal(noise_one, noise_two)
    assert not torch.equal(chance_one, chance_three)
    assert not torch.equal(noise_one, noise_three)


def test_draws_lie_evenly_between_minus_one_and_one() -> None:
    numbers, noise = draw(500, (4, 5), Distortion(elastic=1), torch.Generator().manual_seed(9))
    assert noise is not None
    assert (numbers.shape, noise.shape) == ((500, 6), (500, 2, 4, 5))
    for drawn in (numbers, noise):
        assert float(drawn.abs().max()) <= 1
        assert float(drawn.min()) < -0.98
        assert float(drawn.max()) > 0.98
        assert abs(float(drawn.mean())) < 0.05
        assert float(drawn.std()) == pytest.approx(1 / math.sqrt(3), rel=0.05)


def test_each_picture_has_its_own_draw() -> None:
    distortion = Distortion(rotation=20, scaling=0.2, shear=10, shift=0.1, elastic=6, smoothness=2)
    numbers, noise = draw(4, (8, 8), distortion, torch.Generator().manual_seed(10))
    assert noise is not None
    assert len(torch.unique(numbers, dim=0)) == len(torch.unique(noise, dim=0)) == 4
    picture = random_pictures(1, 8, 8).float()
    together = distorted(picture.repeat(4, 1, 1), distortion, numbers, noise)
    assert len(torch.unique(together, dim=0)) == 4
    for position in range(4):
        one = slice(position, position + 1)
        alone = distorted(picture, distortion, numbers[one], noise[one])
        torch.testing.assert_close(together[one], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("smoothness", [0.0, -1.0, math.nan])
def test_an_elastic_distortion_without_smoothness_is_refused(smoothness: float) -> None:
    with pytest.raises(Error, match=r"smoothness.*above 0"):
        Distortion(elastic=3, smoothness=smoothness)
    assert Distortion(smoothness=smoothness).elastic == 0, "where nothing bends, nothing is smoothed"
