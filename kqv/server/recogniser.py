"""`POST /v1/classify`: pictures to their classes, with a probability for every class."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fastapi import APIRouter, Request
from pydantic import Field

from kqv.data.pictures import Grey, prepare_picture
from kqv.errors import Error
from kqv.models.recogniser import Recogniser, Verdict
from kqv.server.body import Body, checked, read_body, read_json
from kqv.server.calls import Calls
from kqv.server.log import note
from kqv.server.metrics import Metrics
from kqv.server.refusals import Refusal
from kqv.server.service import Service
from kqv.server.settings import Limits, Settings
from kqv.systems.digits.classes import classes_of
from kqv.systems.source import ModelSource

router = APIRouter()
PATH = "/v1/classify"
Pixels = list[list[int]]


class ClassificationRequest(Body):
    """Pictures: files in base64 (or as data URLs), which are prepared as `kqv classify` does it, or bytes
    `[row][column]` as the network takes them, light ink on dark ground."""

    pictures: list[str | Pixels] = Field(min_length=1)
    model: str | None = None


@dataclass(frozen=True, eq=False)
class Classifier:
    """What the endpoint works with: the network, and the shape of its pictures."""

    name: str
    network: Recogniser
    shape: tuple[int, int]
    limits: Limits
    calls: Calls


@router.post(PATH)
async def classify(request: Request) -> dict[str, Any]:
    """Classify pictures in a JSON object, or the picture file that is the body, with its own content type."""
    classifier: Classifier = request.app.state.model
    most = classifier.limits.items
    pictures: list[str | bytes | Pixels]
    if request.headers.get("content-type", "").startswith("image/"):
        pictures = [await read_body(request)]
    else:
        pictures = [*checked(ClassificationRequest, await read_json(request), {}).pictures]
    if len(pictures) > most:
        raise Refusal(400, f"'pictures' takes at most {most:,} at once; got {len(pictures):,}", "pictures")

    def compute(step: Any) -> list[Verdict]:
        prepared = []
        for number, picture in enumerate(pictures):
            step()
            prepared.append(_prepared(picture, classifier.shape, f"picture {number}"))
        device = next(classifier.network.parameters()).device
        return classifier.network.classify(torch.from_numpy(np.stack(prepared)).to(device))

    verdicts = await classifier.calls.call(request, compute)
    note(request.scope, f"{len(pictures)} {'picture' if len(pictures) == 1 else 'pictures'}")
    classes = classifier.network.classes
    told = [
        {
            "class": one.label, "confidence": one.confidence,
            "probabilities": dict(zip(classes, one.probabilities, strict=True)),
        }
        for one in verdicts
    ]  # fmt: skip
    return {"object": "list", "model": classifier.name, "pictures": told}


def _prepared(picture: str | bytes | Pixels, shape: tuple[int, int], name: str) -> Grey:
    """A picture as the network takes it. Raises `Error` for what is none, or of another shape."""
    if isinstance(picture, list):
        rows = {len(row) for row in picture}
        if len(picture) != shape[0] or rows != {shape[1]} or not all(0 <= v <= 255 for row in picture for v in row):
            raise Error(f"{name}: expected {shape[0]} rows of {shape[1]} numbers from 0 to 255, or a picture file")
        return np.array(picture, dtype=np.uint8)
    if isinstance(picture, str):
        content = picture.partition(",")[2] if picture.startswith("data:") else picture
        try:
            picture = base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            raise Error(f"{name}: expected a picture file in base64, or its numbers by row") from None
    return prepare_picture(picture, shape, name=name)


def open_service(source: ModelSource, loaded: Recogniser, settings: Settings, metrics: Metrics) -> Service:
    """A network that tells pictures apart."""
    known = classes_of(source.require_run("only runs classify pictures"))
    shape = (known["rows"], known["columns"])
    classifier = Classifier(settings.name, loaded, shape, settings.limits, Calls(settings.limits.waiting))
    file = ("-H", "Content-Type: image/png", "--data-binary", "@seven.png")
    note = f'Several at once: {{"pictures": [BASE64, …]}}, or their {shape[0]}×{shape[1]} numbers from 0 to 255.'
    return Service((router,), classifier, loaded.describe(), PATH, file, (note,), classifier.calls.close)
