"""What a digit recogniser trains on: batches of pictures as vectors, shifted a little at random."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kqv.data.digits import DigitData, Pictures
from kqv.evaluation import score_pictures
from kqv.models.network import Network
from kqv.operations import scale
from kqv.training.batches import Batches, generator
from kqv.training.distributed import ALONE, Group
from kqv.training.recipes import DigitsRecipe


@dataclass(frozen=True, eq=False)
class Batch:
    """This process's part of a step's pictures: `vectors[batch, in]`, `labels[batch]`, and how much the part counts."""

    vectors: Tensor
    labels: Tensor
    weight: float


class DigitsTask:
    """A network that learns labelled pictures."""

    unit = "pictures"

    def __init__(
        self, model: Network, data: DigitData, recipe: DigitsRecipe, device: torch.device, group: Group = ALONE
    ) -> None:
        self.model = model
        self.group = group
        self.shape = data.shape
        self.shift = round(recipe.data.shift * data.shape[1])  # in pixels
        self.seed = recipe.training.seed
        self.batches = Batches(len(data.train), recipe.training.batch, self.seed)
        self.evaluate_every = self.batches.per_epoch
        self.train = vectors_of(model, data.train, device)
        self.validation = vectors_of(model, data.validation, device)
        self._compute = group.wrap(model)

    def size(self, step: int) -> int:
        """How many pictures a step sees."""
        return self.batches.size(step)

    def batch(self, step: int) -> Batch:
        """The pictures of a step: a fixed function of seed and step."""
        vectors, labels = self.train
        places = self.batches.places(step)
        part, weight = self.group.part(len(places))
        mine = places[part].to(labels.device)
        chosen = vectors[mine]
        if self.shift:  # drawn for the whole batch, so that every process knows its own part
            chance = generator(self.seed, "shift", step)
            moves = torch.randint(0, 2 * self.shift + 1, (2, len(places)), generator=chance)[:, part]
            chosen = shifted(chosen, self.shape, self.shift, moves.to(labels.device))
        return Batch(chosen, labels[mine], weight)

    def loss(self, batch: Batch) -> Tensor:
        """The cost of a batch."""
        loss = self.model.loss(self._compute(batch.vectors), batch.labels)
        return loss if batch.weight == 1 else scale(loss, factor=batch.weight)

    def evaluate(self) -> dict[str, float]:
        """Loss and accuracy over the whole validation set."""
        scores = score_pictures(self.model, *self.validation)
        return {"loss": scores.loss, "accuracy": scores.accuracy}


def vectors_of(model: Network, pictures: Pictures, device: torch.device) -> tuple[Tensor, Tensor]:
    """Pictures as the network's input `[picture, in]`, and their labels `[picture]`."""
    with torch.no_grad():
        vectors = model.vector(torch.from_numpy(pictures.pixels).to(device))
    return vectors, torch.from_numpy(pictures.labels).to(device)


def shifted(vectors: Tensor, shape: tuple[int, int], most: int, moves: Tensor) -> Tensor:
    """Each picture of `vectors[batch, in]` cut out of itself with a border of `most` empty pixels, from the row and
    column that `moves[2, batch]` say; 0 moves it down or right by `most`, `most` leaves it, 2·`most` moves it back."""
    rows, columns = shape
    batch, wide = len(vectors), columns + 2 * most
    padded = torch.nn.functional.pad(vectors.reshape(batch, rows, columns), (most, most, most, most))
    row = torch.arange(rows, device=vectors.device).reshape(1, rows, 1) + moves[0].reshape(batch, 1, 1)
    column = torch.arange(columns, device=vectors.device).reshape(1, 1, columns) + moves[1].reshape(batch, 1, 1)
    return padded.reshape(batch, -1).gather(1, (row * wide + column).reshape(batch, -1))
