"""`kqv data`: which data sets there are and where they are; fetching and verifying them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kqv.cli.json_output import print_json

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import Progress as RichProgress
    from rich.table import Table

    from kqv.data.sources import Check, File, Source

app = typer.Typer(help="List, fetch and verify the data sets.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
Force = Annotated[bool, typer.Option("--force", help="Download again, even what is already in the cache.")]
Names = Annotated[list[str], typer.Argument(help="Names from `kqv data list`.", metavar="NAME")]
SomeNames = Annotated[
    list[str] | None, typer.Argument(help="Names from `kqv data list`; without any, all.", metavar="NAME")
]


@app.command("list", epilog="Example: kqv data list")
def list_sources(as_json: Json = False) -> None:
    """Show every data set: what it is, its size and licence, and where it is."""
    from rich.filesize import decimal

    from kqv.data.sources import SOURCES

    positions = {source.name: _position(source) for source in SOURCES.values()}
    if as_json:
        print_json({"sources": [_describe(source) | positions[source.name] for source in SOURCES.values()]})
        return
    rows: list[tuple[str, ...]] = [
        (
            source.name, source.title, decimal(source.size) if source.files else "–", source.licence,
            positions[source.name]["where"],
        )
        for source in SOURCES.values()
    ]  # fmt: skip
    _print_table(("name", "what", "size", "licence", "where"), rows)


@app.command("fetch", epilog="Example: kqv data fetch mnist shakespeare")
def fetch_sources(names: Names, force: Force = False, as_json: Json = False) -> None:
    """Download data sets that are missing, and again what is damaged in the cache.

    Folders that the environment variable KQV_DATA names are looked in first and never written.
    """
    from kqv.data.sources import lookup

    found = fetch_with_progress(names, force=force)
    if as_json:
        files = {name: {file: str(path) for file, path in paths.items()} for name, paths in found.items()}
        print_json({"sources": files})
        return
    for name, paths in found.items():
        folders = " and ".join(sorted({str(path.parent) for path in paths.values()}))
        fetched = f"{len(paths)} files in {folders}; licence: {lookup(name).licence}"
        _print(f"{name}: {fetched}" if paths else f"{name}: embedded, nothing to fetch")


@app.command("verify", epilog="Example: kqv data verify mnist")
def verify_sources(names: SomeNames = None, as_json: Json = False) -> None:
    """Check local files against their sizes and sha256 checksums.

    Exit code 1 if a file is damaged, or if one of the named data sets is not here.
    """
    from kqv.data.sources import SOURCES, lookup, verify

    sources = [lookup(name) for name in names] if names else list(SOURCES.values())
    results = {source.name: verify(source.name) for source in sources}
    states = {check.state for checks in results.values() for check in checks}
    failed = "damaged" in states or (bool(names) and "missing" in states)
    if as_json:
        files = {name: [_as_record(check) for check in checks] for name, checks in results.items()}
        print_json({"good": not failed, "sources": files})
    else:
        _print_table(("name", "file", "state", "where"), _verdicts(sources, results))
        for check in (check for checks in results.values() for check in checks if check.problem):
            _print(check.problem)
    raise typer.Exit(1 if failed else 0)


def fetch_with_progress(names: list[str], *, force: bool = False) -> dict[str, dict[str, Path]]:
    """Fetch the named sources with a bar for each download on standard error; each file's path by source and name.

    Every command that needs data calls this first, so that no download is silent. Raises `DataError` as
    `kqv.data.sources.fetch`.
    """
    from kqv.data.sources import fetch, lookup

    sources = [lookup(name) for name in names]  # a wrong name is said before anything is downloaded
    with DownloadBars() as bars:
        return {source.name: fetch(source.name, bars.bar, force=force) for source in sources}


class DownloadBars:
    """A bar for each download on standard error, drawn from the first one on and until the `with` ends."""

    def __init__(self) -> None:
        self._progress: RichProgress | None = None

    def __enter__(self) -> DownloadBars:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._progress is not None:
            self._progress.stop()

    def bar(self, source: Source, file: File) -> DownloadBar:
        """The bar of one file; without a download nothing is drawn, not even an empty line."""
        if self._progress is None:
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

            from kqv.cli.console import notices

            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._progress = Progress(*columns, console=notices)
            self._progress.start()
        return DownloadBar(self._progress, f"{source.name}/{file.name}", file.size)


class DownloadBar:
    """One line of rich's progress display, driven by what pooch calls while it downloads."""

    def __init__(self, progress: RichProgress, description: str, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=total)
        self._total = total

    @property
    def total(self) -> int:
        """Bytes to download; pooch sets it to what the server announces, 0 if it announces nothing."""
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        self._total = total
        self._progress.update(self._task, total=total or None)

    def update(self, amount: int) -> None:
        """Add `amount` bytes."""
        self._progress.advance(self._task, amount)

    def reset(self) -> None:
        """Go back to zero bytes; pooch does so at the end, to fill the bar exactly."""
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        """The download has ended; the full bar stays in view."""


def _position(source: Source) -> dict[str, Any]:
    """Where a source is, in words and as data."""
    from kqv.data.sources import find

    if source.embedded:
        return {"here": True, "where": "embedded", "folders": []}
    paths = [path for file in source.files if (path := find(source, file))]
    folders = sorted({str(path.parent) for path in paths})
    if not paths:
        return {"here": False, "where": "not here", "folders": []}
    complete = len(paths) == len(source.files)
    some = "" if complete else f"{len(paths)} of {len(source.files)} files in "
    return {"here": complete, "where": some + " and ".join(folders), "folders": folders}


def _describe(source: Source) -> dict[str, Any]:
    fields = ("name", "title", "licence", "homepage", "note", "embedded", "size")
    return {field: getattr(source, field) for field in fields}


def _as_record(check: Check) -> dict[str, Any]:
    return {
        "file": check.file.name,
        "state": check.state,
        "path": str(check.path) if check.path else None,
        "problem": check.problem,
        "size": check.file.size,
        "sha256": check.file.sha256,
    }


def _verdicts(sources: list[Source], results: dict[str, list[Check]]) -> list[tuple[str, ...]]:
    """A row for each file, and one for each source that has none here."""
    rows: list[tuple[str, ...]] = []
    for source in sources:
        checks = results[source.name]
        if source.embedded:
            rows.append((source.name, "", "embedded", source.note))
        elif all(check.state == "missing" for check in checks):
            rows.append((source.name, "", "missing", f"kqv data fetch {source.name}"))
        else:
            for check in checks:
                where = str(check.path.parent) if check.path else f"kqv data fetch {source.name}"
                rows.append((source.name, check.file.name, check.state, where))
    return rows


def _print_table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """A table whose last column says where; on a narrow screen that stands below it, since no path may be cut."""
    from kqv.cli.console import console

    table = _table(headings, rows)
    if console.fits(table):
        console.print(table)
        return
    console.print(_table(headings[:-1], [row[:-1] for row in rows]))
    console.print()
    for name, where in dict.fromkeys((row[0], row[-1]) for row in rows):
        console.print(f"{name}: {where}", markup=False)


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    from rich.table import Table

    from kqv.cli.console import shown

    table = Table(box=None, pad_edge=False)
    for heading in headings:
        is_prose = heading in ("what", "licence")
        table.add_column(heading, no_wrap=not is_prose, min_width=16 if is_prose else None)
    for row in rows:
        table.add_row(*map(shown, row))
    return table


def _print(text: str) -> None:
    from kqv.cli.console import console

    console.print(text, markup=False)
