"""`POST /v1/translate`: sentences to their translations, with scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field

from kqv.generation.beam_search import BeamSearch
from kqv.server.body import Body, checked, read_json
from kqv.server.calls import Calls
from kqv.server.log import note
from kqv.server.metrics import Metrics
from kqv.server.refusals import Refusal
from kqv.server.service import Service, body_of
from kqv.server.settings import Limits, Settings
from kqv.systems.source import ModelSource
from kqv.systems.translation.trained import LoadedTranslator
from kqv.systems.translation.translating import Translation, translate_sentences

router = APIRouter()
MOST_BEAMS = 32
PATH = "/v1/translate"


class TranslationRequest(Body):
    """Sentences, and how they are searched for: as the model's recipe says, but for what is given."""

    texts: str | list[str]
    beams: int | None = Field(None, ge=1, le=MOST_BEAMS)
    length_penalty: float | None = Field(None, ge=0, le=10)
    n_best: int = Field(1, ge=1, le=MOST_BEAMS)
    model: str | None = None


@dataclass(frozen=True, eq=False)
class Translator:
    """What the endpoint works with."""

    name: str
    loaded: LoadedTranslator
    limits: Limits
    calls: Calls


@router.post(PATH)
async def translate(request: Request) -> dict[str, Any]:
    """Translate a sentence or a list of them; the answers stand in the same order."""
    translator: Translator = request.app.state.model
    asked = checked(TranslationRequest, await read_json(request), {})
    texts = [asked.texts] if isinstance(asked.texts, str) else asked.texts
    most = translator.limits.items
    if len(texts) > most:
        raise Refusal(400, f"'texts' takes at most {most:,} sentences at once; got {len(texts):,}", "texts")
    loaded = translator.loaded

    def compute(step: Any) -> list[list[Translation]]:
        how: BeamSearch = loaded.search(asked.beams, asked.length_penalty, asked.n_best)
        return translate_sentences([loaded.model], loaded.vocabularies, texts, how, watch=lambda _: step())

    found = await translator.calls.call(request, compute)
    note(request.scope, f"{len(texts)} {'text' if len(texts) == 1 else 'texts'}")
    told = [_as_dict(text, best, asked.n_best) for text, best in zip(texts, found, strict=True)]
    return {"object": "list", "model": translator.name, "translations": told}


def _as_dict(text: str, best: list[Translation], count: int) -> dict[str, Any]:
    """A sentence with its best translation, and with all where several were asked for."""
    all_of_them = [
        {"text": one.text, "score": one.score, "log_probability": one.log_probability, "complete": one.complete}
        for one in best
    ]
    return {"source": text, **all_of_them[0]} | ({"n_best": all_of_them} if count > 1 else {})


def open_service(source: ModelSource, loaded: LoadedTranslator, settings: Settings, metrics: Metrics) -> Service:
    """A model that translates."""
    translator = Translator(settings.name, loaded, settings.limits, Calls(settings.limits.waiting))
    plan = loaded.recipe.data
    described = f"{loaded.model.describe()}, from {plan.source} to {plan.target}"
    sentence = "einundzwanzig" if plan.source == "de" else "twenty-one"
    return Service((router,), translator, described, PATH, body_of(texts=[sentence]), (), translator.calls.close)
