"""`kqv lab`: digits and sentences in the browser, every number real, forward and backward."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Models = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MODEL]…", help="Further models: folders, GGUF files, names such as smollm2."),
]
Port = Annotated[int | None, typer.Option(help="The port; without it 8000 or the next free one.", min=0, max=65535)]
Host = Annotated[str, typer.Option(help="The address to listen on; all but this machine's own need a token.")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")]
Runs = Annotated[
    Path, typer.Option(metavar="DIR", help="The folder whose runs are shown, and where new ones are made.")
]


def lab(
    models: Models = None, port: Port = None, host: Host = "127.0.0.1", browser: Browser = True,
    runs: Runs = Path("runs"),
) -> None:  # fmt: skip
    """Open the lab: draw a digit, follow a sentence, watch a training, with every number in view. Ctrl-C stops it."""
    import secrets

    from kqv.cli.console import console
    from kqv.http.names import is_loopback
    from kqv.lab.server import serve
    from kqv.lab.settings import Settings
    from kqv.systems.source import find_model

    for name in models or []:
        find_model(name)  # a wrong name is said here, not in the page
    token = None if is_loopback(host) else secrets.token_urlsafe(24)
    settings = Settings(host, 8000 if port is None else port, runs, tuple(models or ()), token)

    def serving(address: str) -> None:
        console.print(f"The lab is open: {address}", markup=False)
        console.print("Ctrl-C stops it.", markup=False)

    serve(settings, port is not None, serving, browser)
