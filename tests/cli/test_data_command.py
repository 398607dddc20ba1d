"""`kqv data list|fetch|verify`, as typed: what they print, their exit codes and their help."""

from __future__ import annotations

import functools
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kqv.cli.data import app
from kqv.data import sources
from kqv.data.sources import SOURCES, File, Source
from kqv.errors import DataError

CONTENT = b"Now is the winter of our discontent\n" * 9000


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that a server on this machine gives out, with the two files of the made-up source "richard".

    The cache is the empty folder beside it, and KQV_DATA is unset. No other source can be found or fetched.
    """
    folder = tmp_path / "site"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    files = []
    for name in ("one.txt", "two.txt"):
        content = CONTENT + name.encode()
        (folder / name).write_bytes(content)
        address = f"http://127.0.0.1:{server.server_address[1]}/{name}"
        files.append(File(name, (address,), hashlib.sha256(content).hexdigest(), len(content)))
    source = Source("richard", "a speech", "public domain", "https://example.org", tuple(files), folder="richard")
    for name in [name for name, source in SOURCES.items() if not source.embedded]:
        monkeypatch.delitem(SOURCES, name)
    monkeypatch.setitem(SOURCES, "richard", source)
    monkeypatch.setattr(sources, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv("KQV_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("COLUMNS", "200")
    yield folder
    server.shutdown()
    server.server_close()


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def run_json(*arguments: str, code: int = 0) -> Any:
    """What the command prints on standard output, which has to be one JSON object and nothing else."""
    return json.loads(run(*arguments, "--json", code=code).stdout)


def row(output: str, name: str) -> str:
    """The line of a table that starts with `name`, its runs of spaces made one."""
    [line] = [line for line in output.splitlines() if line.startswith(name)]
    return " ".join(line.split())


def test_list_says_what_there_is_and_where(site: Path, tmp_path: Path) -> None:
    output = run("list").stdout
    assert row(output, "name") == "name what size licence where"
    assert row(output, "digits8x8") == "digits8x8 1,797 handwritten digits, 8×8 – CC BY 4.0 embedded"
    assert row(output, "richard") == "richard a speech 648.0 kB public domain not here"
    run("fetch", "richard")
    assert row(run("list").stdout, "richard").endswith(str(tmp_path / "cache" / "richard"))
    (tmp_path / "cache" / "richard" / "one.txt").unlink()
    assert row(run("list").stdout, "richard").endswith(f"1 of 2 files in {tmp_path / 'cache' / 'richard'}")


def test_list_as_json(site: Path, tmp_path: Path) -> None:
    records = {record["name"]: record for record in run_json("list")["sources"]}
    assert list(records) == ["digits8x8", "python-docs", "numbers-dates", "richard"]
    assert records["digits8x8"]["embedded"] is True
    assert records["digits8x8"]["here"] is True
    assert records["richard"] == {
        "name": "richard",
        "title": "a speech",
        "licence": "public domain",
        "homepage": "https://example.org",
        "note": "",
        "embedded": False,
        "size": 2 * len(CONTENT) + 14,
        "here": False,
        "where": "not here",
        "folders": [],
    }
    run("fetch", "richard")
    [record] = [record for record in run_json("list")["sources"] if record["name"] == "richard"]
    assert record["here"] is True
    assert record["folders"] == [str(tmp_path / "cache" / "richard")]


def test_fetch_downloads_with_a_bar_and_says_where(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "richard"
    result = run("fetch", "RICHARD", "digits8x8")
    assert result.stdout.splitlines() == [
        f"richard: 2 files in {folder}; licence: public domain",
        "digits8x8: embedded, nothing to fetch",
    ]
    assert "richard/one.txt" in result.stderr
    assert "richard/two.txt" in result.stderr
    assert "324.0/324.0 kB" in result.stderr, "the bar is full at the end"
    assert (folder / "one.txt").read_bytes() == (site / "one.txt").read_bytes()
    assert run("fetch", "richard").stderr == "", "what is here is not downloaded again"


def test_fetch_as_json_keeps_the_bars_out(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "richard"
    paths = {name: str(folder / name) for name in ("one.txt", "two.txt")}
    assert run_json("fetch", "richard") == {"sources": {"richard": paths}}


def test_fetch_with_force_downloads_again(site: Path) -> None:
    run("fetch", "richard")
    assert "richard/one.txt" in run("fetch", "richard", "--force").stderr


def test_a_wrong_name_is_said_before_anything_is_downloaded(site: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data source is called 'third'; there are digits8x8"):
        run("fetch", "richard", "third")
    assert not (tmp_path / "cache").exists()


def test_a_failed_download_is_an_error(site: Path) -> None:
    (site / "two.txt").unlink()
    with pytest.raises(DataError, match=r"richard: two.txt could not be downloaded .*404 File not found.* By hand: "):
        run("fetch", "richard")


def test_verify_all_is_content_with_what_is_not_here(site: Path) -> None:
    output = run("verify").stdout
    assert row(output, "digits8x8") == "digits8x8 embedded ships with scikit-learn"
    assert row(output, "richard") == "richard missing kqv data fetch richard"


def test_verify_by_name_wants_it_here(site: Path) -> None:
    run("verify", "richard", code=1)
    run("fetch", "richard")
    output = run("verify", "richard").stdout
    assert "digits8x8" not in output
    assert [line.split()[1:3] for line in output.splitlines()[1:]] == [["one.txt", "good"], ["two.txt", "good"]]


def test_verify_finds_damage_and_fetch_mends_it(site: Path, tmp_path: Path) -> None:
    run("fetch", "richard")
    damaged = tmp_path / "cache" / "richard" / "two.txt"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    output = run("verify", code=1).stdout
    assert f"{damaged} is truncated or altered: expected 324,007 bytes" in output
    assert output.rstrip().endswith("run `kqv data fetch richard`")
    record = run_json("verify", "richard", code=1)
    assert record["good"] is False
    assert [file["state"] for file in record["sources"]["richard"]] == ["good", "damaged"]
    assert record["sources"]["richard"][1]["path"] == str(damaged)
    run("fetch", "richard")
    assert run_json("verify", "richard")["good"] is True


@pytest.mark.parametrize("command", ["list", "fetch", "verify"])
def test_every_help_has_an_example(command: str) -> None:
    assert f"Example: kqv data {command}" in run(command, "--help").stdout


def test_the_commands_are_imported_without_heavy_packages() -> None:
    heavy = ("torch", "numpy", "sklearn", "PIL", "pooch", "requests", "rich")
    code = f"import sys, kqv.cli.data; print([name for name in {heavy} if name in sys.modules])"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
