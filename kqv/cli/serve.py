"""`kqv serve`: a trained model behind an address, which OpenAI's clients and curl can ask."""

from __future__ import annotations

from typing import Annotated

import typer

from kqv.cli.options import Best, Device, ModelName, Weights
from kqv.errors import Error

Port = Annotated[int | None, typer.Option(help="The port; without it 8000 or the next free one.", min=0, max=65535)]
Host = Annotated[str, typer.Option(help="The address to listen on; all but this machine's own need a token.")]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="KQV_TOKEN", show_envvar=True, metavar="TEXT",
        help="What clients have to know (an OpenAI client's api_key); where others can reach the server one is made "
        "unless it is given.",
    ),
]  # fmt: skip
Name = Annotated[str | None, typer.Option(help="What requests call the model (default: as it is called here).")]
Texts = Annotated[int, typer.Option(help="How many texts are written side by side; further ones wait.", min=1, max=256)]
Most = Annotated[int, typer.Option("--most-tokens", help="The most tokens of one text.", min=1)]


def serve(
    model: ModelName, port: Port = None, host: Host = "127.0.0.1", token: Token = None, name: Name = None,
    texts: Texts = 32, most_tokens: Most = 16_384, weights: Weights = "float32", best: Best = False,
    device: Device = "auto",
) -> None:  # fmt: skip
    """Serve a model as OpenAI's API does: completions of a GPT, conversations where it has a chat template, embeddings
    of an encoder; translations and classes of pictures have endpoints of their own. Ctrl-C stops it."""
    import secrets

    from kqv.cli.preparing import TerminalWatcher
    from kqv.generation.weights import checked_weights
    from kqv.http.names import is_loopback
    from kqv.server.server import serve as serve_model
    from kqv.server.settings import Limits, Settings
    from kqv.systems.source import find_model

    if token is not None and (len(token) < 8 or not token.isascii() or not token.isprintable() or " " in token):
        raise Error("--token takes at least 8 letters, digits and signs, without a space")
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    checked_weights(weights)  # before anything is loaded
    with TerminalWatcher() as watcher:
        source = find_model(model, progress=watcher.downloading)
    limits = Limits(texts=texts, tokens=most_tokens)
    settings = Settings(name or source.name, host, 8000 if port is None else port, token, limits, weights)
    serve_model(source, best, device, settings, port is not None, _say_address, _say)


def _say_address(service: object, settings: object) -> None:
    """The first screen."""
    from kqv.cli.console import console
    from kqv.server.service import Service
    from kqv.server.settings import Settings

    assert isinstance(service, Service)
    assert isinstance(settings, Settings)
    console.print(f"{settings.name}: {service.description}", markup=False, highlight=False)
    console.print(f"Served at {settings.address}/v1 (Ctrl-C stops it). Ask it:\n", markup=False, highlight=False)
    line = service.curl(settings)
    console.print(f"  {line}\n", markup=False, highlight=False, soft_wrap=True)
    for note in service.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    if settings.token is not None:
        console.print(f"OpenAI's clients: base_url {settings.address}/v1, api_key {settings.token}", markup=False)
    console.file.flush()


def _say(line: str) -> None:
    from kqv.cli.console import notices

    notices.file.write(f"{line}\n")
    notices.file.flush()
