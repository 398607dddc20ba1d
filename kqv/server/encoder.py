"""`POST /v1/embeddings`: texts to vectors, as in OpenAI's protocol."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Request
from torch import Tensor

from kqv.server.body import Body, checked, read_json
from kqv.server.calls import Calls
from kqv.server.metrics import Metrics
from kqv.server.refusals import Refusal
from kqv.server.service import Service, body_of
from kqv.server.settings import Limits, Settings
from kqv.systems.encoder.loaded import LoadedEncoder
from kqv.systems.source import ModelSource

router = APIRouter()
PATH = "/v1/embeddings"
TOGETHER = 16
"""Texts that go through the model at once."""


class EmbeddingRequest(Body):
    """One text or several; `base64`: vectors as little-endian float32, which OpenAI's client asks for by itself."""

    input: str | list[str]
    model: str | None = None
    encoding_format: Literal["float", "base64"] = "float"


@dataclass(frozen=True, eq=False)
class Encoder:
    """What the endpoint works with."""

    name: str
    loaded: LoadedEncoder
    limits: Limits
    calls: Calls


@router.post(PATH)
async def embeddings(request: Request) -> dict[str, Any]:
    """A vector of length 1 for each text."""
    encoder: Encoder = request.app.state.model
    content = await read_json(request)
    asked = checked(EmbeddingRequest, content, {"user": None, "dimensions": ()})
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    if not 1 <= len(texts) <= encoder.limits.items:
        raise Refusal(400, f"'input' takes 1 to {encoder.limits.items:,} texts; got {len(texts):,}", "input")

    def compute(step: Any) -> list[Tensor]:
        found: list[Tensor] = []
        for start in range(0, len(texts), TOGETHER):
            step()
            found += encoder.loaded.vectors(texts[start : start + TOGETHER]).float().cpu()
        return found

    vectors = await encoder.calls.call(request, compute)
    tokens = sum(len(encoder.loaded.tokenizer.encode(text).ids) for text in texts)
    data = [
        {"object": "embedding", "index": number, "embedding": _shown(vector, asked.encoding_format)}
        for number, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": encoder.name, "usage": usage}


def _shown(vector: Tensor, kind: str) -> list[float] | str:
    if kind == "float":
        return vector.tolist()
    return base64.b64encode(vector.numpy().astype("<f4").tobytes()).decode()


def open_service(source: ModelSource, loaded: LoadedEncoder, settings: Settings, metrics: Metrics) -> Service:
    """A model that makes vectors of texts."""
    encoder = Encoder(settings.name, loaded, settings.limits, Calls(settings.limits.waiting))
    example = body_of(input=["a small dog", "a little puppy"])
    return Service((router,), encoder, loaded.model.describe(), PATH, example, (), encoder.calls.close)
