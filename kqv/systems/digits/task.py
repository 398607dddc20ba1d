"""What a digit recogniser trains on: batches of pictures as vectors, shifted a little at random."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kqv.data.digits import DigitData, Pictures
from kqv.data.distortions import distorted, draw
from kqv.data.text.tokens import Advance
from kqv.evaluation.pictures import score_pictures
from kqv.models.modes import in_evaluation_mode
from kqv.models.network import Network
from kqv.models.recogniser import Recogniser
from kqv.models.textbook.backpropagation import Backpropagation, means
from kqv.operations import scale
from kqv.systems.digits.recipes import DigitsRecipe
from kqv.threads import FEW
from kqv.training.batches import Batches, generator
from kqv.training.distributed import ALONE, Group

GRADIENT_PICTURES = 1000


@dataclass(frozen=True, eq=False)
class Batch:
    """This process's part of a step's pictures: `vectors[batch, in]`, `labels[batch]`, and how much the part counts."""

    vectors: Tensor
    labels: Tensor
    weight: float


class DigitsTask:
    """A network that learns labelled pictures."""

    unit = "pictures"
    scores = ("loss", "accuracy")

    def __init__(
        self, model: Recogniser, data: DigitData, recipe: DigitsRecipe, device: torch.device, group: Group = ALONE
    ) -> None:
        self.model = model
        self.group = group
        self.shape = data.shape
        self.shift = round(recipe.data.shift * data.shape[1])  # in pixels
        self.distortion = recipe.data.distortion
        self.seed = recipe.training.seed
        self.monitored = recipe.training.monitor
        self.batches = Batches(len(data.train), recipe.training.batch, self.seed)
        self.evaluate_every = self.batches.per_epoch
        self.epoch = float(self.evaluate_every)
        self.train = vectors_of(model, data.train, device)
        self.validation = vectors_of(model, data.validation, device)
        self._compute = group.wrap(model)
        self._one_hot = torch.eye(len(data.classes), device=device)
        self.work = sum(parameter.numel() for parameter in model.parameters()) * self.batches.batch
        self.is_small = isinstance(model, Network) and group.size == 1 and device.type == "cpu" and self.work < FEW
        self._by_hand: Backpropagation | None = None
        self._parameters: list[tuple[nn.Parameter, nn.Parameter]] = []

    def size(self, step: int) -> int:
        """How many pictures a step sees."""
        return self.batches.size(step)

    def batch(self, step: int) -> Batch:
        """The pictures of a step: a fixed function of seed and step."""
        vectors, labels = self.train
        positions = self.batches.positions(step)
        part, weight = self.group.part(len(positions))
        mine = positions if self.group.size == 1 else positions[part]
        mine = mine.to(labels.device)
        chosen = vectors.index_select(0, mine)
        if self.distortion is not None:
            chosen = self._distorted(chosen, step, len(positions), part)
        if self.shift:  # drawn for the whole batch, so that every process knows its own part
            chance = generator(self.seed, "shift", step)
            moves = torch.randint(0, 2 * self.shift + 1, (2, len(positions)), generator=chance)[:, part]
            chosen = shifted(chosen, self.shape, self.shift, moves.to(labels.device))
        return Batch(chosen, labels.index_select(0, mine), weight)

    def _distorted(self, vectors: Tensor, step: int, batch: int, part: slice) -> Tensor:
        """The step's pictures, distorted; drawn for the whole batch, so that every process knows its own part."""
        assert self.distortion is not None
        draws = draw(batch, self.shape, self.distortion, generator(self.seed, "distortion", step))
        chance, noise = (None if numbers is None else numbers[part].to(vectors.device) for numbers in draws)
        assert chance is not None
        return distorted(vectors.reshape(-1, *self.shape), self.distortion, chance, noise).flatten(1)

    def learn(self, batch: Batch) -> Tensor:
        """The cost of a batch, with its gradients in the parameters' `grad`."""
        if self.is_small:
            return self._learn_by_hand(batch)
        loss = self.model.loss(self._compute(batch.vectors), batch.labels)
        loss = loss if batch.weight == 1 else scale(loss, factor=batch.weight)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    @torch.no_grad()
    def _learn_by_hand(self, batch: Batch) -> Tensor:
        """The same by backpropagation written out: where a step takes microseconds, autograd takes most of them."""
        assert isinstance(self.model, Network)
        if self._by_hand is None:
            self._by_hand = self.model.backpropagation(dropping=True)
            self._parameters = [(layer.weight, layer.bias) for layer in self.model.dense]
        y = self._one_hot.index_select(0, batch.labels)
        outputs, passes = self._by_hand.feedforward(batch.vectors)
        errors = self._by_hand.backpropagate(passes, self._by_hand.probabilities(outputs) - y)
        for (weight, bias), error in zip(self._parameters, errors, strict=True):
            weight.grad, gradient = means(error)
            bias.grad = gradient if bias.requires_grad else None
        return self.model.mean_cost_of(outputs, y, batch.labels)

    def evaluate(self, advance: Advance | None = None) -> dict[str, float]:
        """Loss and accuracy over the whole validation set."""
        scores = score_pictures(self.model, *self.validation, advance)
        return {"loss": scores.loss, "accuracy": scores.accuracy}

    def monitor(self) -> dict[str, float]:
        """The training set's scores and the gradient's size in each layer, as the recipe wants them."""
        measured: dict[str, float] = {}
        if "training" in self.monitored:
            scores = score_pictures(self.model, *self.train)
            measured |= {"training_loss": scores.loss, "training_accuracy": scores.accuracy}
        if "gradients" in self.monitored:
            measured |= {f"gradient_{name}": size for name, size in gradient_sizes(self.model, *self.train).items()}
        return measured


def gradient_sizes(model: Recogniser, vectors: Tensor, labels: Tensor) -> dict[str, float]:
    """‖∂C/∂b‖ of each layer's biases, over the first pictures: how fast the layer learns (Nielsen ch. 5); nothing of a
    network without biases."""
    biases = {name: p for name, p in model.named_parameters() if name.endswith("bias") and p.requires_grad}
    if not biases:
        return {}
    with in_evaluation_mode(model):
        loss = model.loss(model(vectors[:GRADIENT_PICTURES]), labels[:GRADIENT_PICTURES])
        gradients = torch.autograd.grad(loss, list(biases.values()))
    return {name: float(gradient.norm()) for name, gradient in zip(biases, gradients, strict=True)}


def vectors_of(model: Recogniser, pictures: Pictures, device: torch.device) -> tuple[Tensor, Tensor]:
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
