"""Opening a model that writes to be served: its engine, its endpoints, and what is said of it."""

from __future__ import annotations

from kqv.errors import Error
from kqv.interchange.chat_template_files import chat_template_of
from kqv.server import chat, completions
from kqv.server.engine import Engine
from kqv.server.metrics import Metrics
from kqv.server.service import Service, body_of
from kqv.server.settings import Settings
from kqv.server.writer import NO_TEMPLATE, Writer
from kqv.systems.gpt.trained import LoadedGPT
from kqv.systems.source import ModelSource


def open_service(source: ModelSource, loaded: LoadedGPT, settings: Settings, metrics: Metrics) -> Service:
    """A model that writes. Raises `Error` for one whose positions see later ones."""
    if loaded.model.sees_later:
        raise Error(
            f"{source.name} lets positions see later ones, so nothing of a text can be kept for the next token; it is "
            "not served: use kqv generate"
        )
    template = None if source.run is not None else chat_template_of(source.path)
    engine = Engine(loaded.model, loaded.tokenizer, settings.limits, settings.weights).start()
    metrics.watch("kqv_texts_going", "Texts that are written side by side now.", lambda: engine.going)
    metrics.watch("kqv_requests_waiting", "Requests for text that are not begun yet.", lambda: engine.waiting)
    writer = Writer(settings.name, loaded, engine, template, settings.limits, metrics)
    path, example = "/v1/completions", body_of(prompt=_beginning(loaded), max_tokens=50)
    if template is not None:
        path, example = "/v1/chat/completions", body_of(messages=[{"role": "user", "content": "Who are you?"}])
    notes = () if template else (f"It {NO_TEMPLATE}.",)
    return Service(
        (completions.router, chat.router), writer, loaded.model.describe(), path, example, notes, engine.close
    )


def _beginning(loaded: LoadedGPT) -> str:
    """How a text can begin, in characters that the model knows."""
    for text in ("Once upon a time", "To be", "def "):
        try:
            loaded.tokenizer.encode(text)
        except Error:
            continue
        return text
    return loaded.tokenizer.decode([loaded.tokenizer.size // 2])
