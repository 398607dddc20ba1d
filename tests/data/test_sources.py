"""The registry, and finding, fetching, reading and verifying files: against a server on this machine only."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kqv.data import download, sources
from kqv.data.download import unpack
from kqv.data.sources import SOURCES, File, Source
from kqv.errors import DataError

CONTENT = b"To be, or not to be: that is the question.\n" * 4000
OTHER = CONTENT.replace(b"question", b"answer!!")  # as long, but altered


@dataclass
class Server:
    """A server that gives `pages`; one whose path starts with /short/ breaks off in the middle of the answer."""

    address: str
    pages: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            content = state.pages.get(self.path)
            if content is None:
                self.send_error(404, "Not Found")
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if self.path.startswith("/short/") else content)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Server(f"http://127.0.0.1:{httpd.server_address[1]}")
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield state
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no KQV_DATA."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(sources, "cache_folder", lambda: folder)
    monkeypatch.delenv("KQV_DATA", raising=False)
    return folder


def register(monkeypatch: pytest.MonkeyPatch, *addresses: str, compressed: bool = False) -> Source:
    """A made-up source "hamlet" with one file, speech.txt, that has CONTENT."""
    file = File("speech.txt", addresses, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), compressed)
    source = Source("hamlet", "a speech", "public domain", "http://127.0.0.1", (file,), folder="plays")
    monkeypatch.setitem(SOURCES, "hamlet", source)
    return source


def put(folder: Path, content: bytes, name: str = "speech.txt") -> Path:
    path = folder / "plays" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# The registry


def test_every_source_of_the_map_is_registered() -> None:
    embedded = {name for name, source in SOURCES.items() if source.embedded}
    assert embedded == {"digits8x8", "python-docs", "numbers-dates"}
    assert set(SOURCES) - embedded == {"mnist", "shakespeare", "multi30k", "gpt2", "minilm", "smollm2"}


@pytest.mark.parametrize("name", SOURCES)
def test_each_source_is_complete(name: str) -> None:
    source = SOURCES[name]
    assert source.name == name
    assert source.title
    assert source.licence
    assert source.homepage.startswith("https://")
    assert source.embedded != bool(source.files)
    assert bool(source.folder) == bool(source.files)
    for file in source.files:
        assert len(file.addresses) >= (1 if file.by_hand else 2), "a file needs a mirror, or another way to it"
        assert all(address.startswith("https://") for address in file.addresses)
        assert not any(address.endswith(".whl") for address in file.addresses), (
            "packages come with pip: say so in by_hand"
        )
        assert all(address.endswith(".gz") == file.compressed for address in file.addresses)
        assert len(bytes.fromhex(file.sha256)) == 32
        assert file.size > 0
    checksums = [file.sha256 for file in source.files]
    assert len(set(checksums)) == len(checksums)


def test_multi30k_has_both_forms_of_every_split() -> None:
    names = {file.name for file in SOURCES["multi30k"].files}
    splits = ("train", "val", "test_2016_flickr")
    assert names == {
        f"{split}{form}.{language}" for split in splits for form in ("", ".lc.norm.tok") for language in ("de", "en")
    }


def test_names_are_found_in_any_case() -> None:
    assert sources.lookup(" MNIST ") is SOURCES["mnist"]


def test_an_unknown_name_is_answered_with_those_that_exist() -> None:
    with pytest.raises(DataError, match=r"'minst'; there are digits8x8, python-docs, .*, gpt2"):
        sources.fetch("minst")


# Finding


def test_own_folder_comes_before_the_cache(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = register(monkeypatch)
    file = source.files[0]
    assert sources.find(source, file) is None
    cached = put(cache, gzip.compress(CONTENT), "speech.txt.gz")
    assert sources.find(source, file) == cached
    own = put(tmp_path / "own", CONTENT)
    monkeypatch.setenv("KQV_DATA", str(tmp_path / "own"))
    assert sources.find(source, file) == own
    own.unlink()
    assert sources.find(source, file) == cached


def test_own_folders_are_looked_in_one_after_the_other(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = register(monkeypatch)
    first, second = (tmp_path / name for name in ("first", "second"))
    first.mkdir()
    found = put(second, CONTENT)
    monkeypatch.setenv("KQV_DATA", f"{first}{os.pathsep}{second}{os.pathsep}")
    assert sources.find(source, source.files[0]) == found
    nearer = put(first, CONTENT)
    assert sources.find(source, source.files[0]) == nearer
    monkeypatch.setenv("KQV_DATA", f"{first}{os.pathsep}{tmp_path / 'third'}")
    with pytest.raises(DataError, match=rf"KQV_DATA names {tmp_path / 'third'}, which is not a folder"):
        sources.find(source, source.files[0])


def test_a_folder_with_a_colon_in_its_name_is_one_folder(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = register(monkeypatch)
    found = put(tmp_path / f"my{os.pathsep}data", CONTENT)
    monkeypatch.setenv("KQV_DATA", str(tmp_path / f"my{os.pathsep}data"))
    assert sources.find(source, source.files[0]) == found


def test_own_folder_of_a_user_that_does_not_exist_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = register(monkeypatch)
    monkeypatch.setenv("KQV_DATA", "~nobody-of-this-name/data")
    with pytest.raises(DataError, match="KQV_DATA names ~nobody-of-this-name/data, which is not a folder"):
        sources.find(source, source.files[0])


def test_own_folder_that_does_not_exist_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    monkeypatch.setenv("KQV_DATA", "/no/such/folder")
    with pytest.raises(DataError, match="KQV_DATA names /no/such/folder, which is not a folder"):
        sources.read("hamlet", "speech.txt")


# Reading and verifying


@pytest.mark.parametrize("name", ["speech.txt", "speech.txt.gz"])
def test_read_gives_the_uncompressed_content(name: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    put(cache, gzip.compress(CONTENT) if name.endswith(".gz") else CONTENT, name)
    assert sources.read("hamlet", "speech.txt") == CONTENT


def damaged(kind: str) -> tuple[str, bytes, str]:
    """A damaged copy of the file: its name, its content, and what an error has to say about it."""
    packed = gzip.compress(CONTENT)
    size = f"{len(CONTENT):,}"
    expected = f"expected {size} bytes, sha256 {hashlib.sha256(CONTENT).hexdigest()}; found "
    return {
        "truncated": ("speech.txt", CONTENT[:-1], f"{expected}{len(CONTENT) - 1:,} bytes"),
        "altered": ("speech.txt", OTHER, f"{expected}{size} bytes, sha256 {hashlib.sha256(OTHER).hexdigest()}"),
        "longer": ("speech.txt", CONTENT + b"!", f"{expected}more than {size} bytes"),
        "empty": ("speech.txt", b"", f"{expected}0 bytes"),
        "truncated gzip": ("speech.txt.gz", packed[: len(packed) // 2], expected),
        "damaged gzip": ("speech.txt.gz", packed[:12] + b"\xff" * 20 + packed[32:], "its gzip compression is damaged"),
    }[kind]


KINDS = ["truncated", "altered", "longer", "empty", "truncated gzip", "damaged gzip"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_refused(kind: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    name, content, expected = damaged(kind)
    path = put(cache, content, name)
    with pytest.raises(DataError) as error:
        sources.read("hamlet", "speech.txt")
    message = str(error.value)
    assert str(path) in message
    assert expected in message
    assert message.endswith("; run `kqv data fetch hamlet`")
    assert "\n" not in message


def test_a_compression_bomb_is_not_unpacked(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    bomb = gzip.compress(bytes(50_000_000))
    assert len(unpack(bomb, 100)) == 101
    put(cache, bomb, "speech.txt.gz")
    with pytest.raises(DataError, match=f"more than {len(CONTENT):,} bytes"):
        sources.read("hamlet", "speech.txt")


def test_a_file_that_cannot_be_read_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    put(cache, CONTENT)

    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sources, "read_bytes", refuse)
    with pytest.raises(DataError, match="it cannot be read \\(Permission denied\\)"):
        sources.read("hamlet", "speech.txt")


def test_an_unknown_file_is_answered_with_those_that_exist(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    with pytest.raises(DataError, match=r"hamlet has no file 'sonnet.txt'; its files: speech.txt"):
        sources.read("hamlet", "sonnet.txt")
    with pytest.raises(DataError, match="its files: none, it is embedded"):
        sources.read("digits8x8", "digits.csv")


def test_verify_reports_good_damaged_and_missing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = register(monkeypatch)
    file = source.files[0]
    three = replace(source, files=(file, replace(file, name="altered.txt"), replace(file, name="absent.txt")))
    monkeypatch.setitem(SOURCES, "hamlet", three)
    good, altered = put(cache, CONTENT), put(cache, OTHER, "altered.txt")
    checks = sources.verify("hamlet")
    assert [(check.state, check.path) for check in checks] == [("good", good), ("damaged", altered), ("missing", None)]
    assert [bool(check.problem) for check in checks] == [False, True, False]
    assert sources.verify("digits8x8") == []


# Fetching


@pytest.mark.parametrize("compressed", [False, True])
def test_fetch_downloads_once(compressed: bool, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, f"{server.address}/a", compressed=compressed)
    server.pages["/a"] = gzip.compress(CONTENT) if compressed else CONTENT
    for _ in range(2):
        assert sources.fetch("hamlet") == {"speech.txt": cache / "plays" / "speech.txt"}
    assert server.asked == ["/a"]
    assert files_in(cache) == ["plays/speech.txt"]
    assert (cache / "plays" / "speech.txt").read_bytes() == CONTENT


def test_what_a_killed_fetch_left_is_removed(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, abandoned: Callable[[Path, str], Path]
) -> None:
    register(monkeypatch, f"{server.address}/a")
    server.pages["/a"] = CONTENT
    assert abandoned(cache / "plays", "download").exists()
    sources.fetch("hamlet")
    assert [path.name for path in (cache / "plays").iterdir()] == ["speech.txt"]


def test_read_downloads_what_is_missing(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, f"{server.address}/a")
    server.pages["/a"] = CONTENT
    assert sources.read("hamlet", "speech.txt") == CONTENT


def test_a_page_that_lost_its_compression_on_the_way_is_taken(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, f"{server.address}/a", compressed=True)
    server.pages["/a"] = CONTENT
    sources.fetch("hamlet")
    assert sources.read("hamlet", "speech.txt") == CONTENT


def zipped(name: str, content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("package/__init__.py", "")
        opened.writestr(name, content)
    return archive.getvalue()


def test_a_file_is_taken_out_of_an_archive(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ("/without", "/short/a", "/other", "/bomb", "/a")
    register(monkeypatch, *(f"{server.address}{path}" for path in paths))
    whole = zipped("package/speech.txt", CONTENT)
    server.pages |= {"/without": zipped("package/other.txt", CONTENT), "/short/a": whole, "/a": whole}
    server.pages |= {"/other": zipped("speech.txt", OTHER), "/bomb": zipped("speech.txt", bytes(50_000_000))}
    sources.fetch("hamlet")
    assert server.asked == list(paths)
    assert (cache / "plays" / "speech.txt").read_bytes() == CONTENT


def test_where_else_a_file_is_to_be_had_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = register(monkeypatch, "http://127.0.0.1:9")
    file = replace(source.files[0], by_hand="ask a librarian")
    monkeypatch.setitem(SOURCES, "hamlet", replace(source, files=(file,)))
    with pytest.raises(DataError, match=r"these addresses, or elsewhere \(ask a librarian\), name it speech\.txt"):
        sources.fetch("hamlet")


def test_the_next_address_is_tried(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, *(f"{server.address}{path}" for path in ("/gone", "/other", "/short/a", "/a")))
    server.pages |= {"/other": OTHER, "/short/a": CONTENT, "/a": CONTENT}
    sources.fetch("hamlet")
    assert server.asked == ["/gone", "/other", "/short/a", "/a"]
    assert sources.read("hamlet", "speech.txt") == CONTENT


@pytest.mark.parametrize("compressed", [False, True])
def test_a_failed_download_says_what_to_do_and_leaves_nothing(
    compressed: bool, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = [f"{server.address}{path}" for path in ("/gone", "/other", "/half", "/short/a")] + [
        "http://127.0.0.1:9"
    ]
    register(monkeypatch, *addresses, compressed=compressed)
    page = gzip.compress(CONTENT) if compressed else CONTENT
    server.pages |= {"/other": gzip.compress(OTHER), "/half": page[: len(page) // 2], "/short/a": page}
    with pytest.raises(DataError) as error:
        sources.fetch("hamlet")
    message = str(error.value)
    assert f"{addresses[0]}: the server answers 404 Not Found" in message
    assert f"{addresses[1]}: what it gives is not the expected file" in message
    assert f"{addresses[2]}: what it gives is not the expected file" in message
    assert f"{addresses[3]}: the connection broke off" in message
    assert f"{addresses[4]}: no connection" in message
    name = "speech.txt.gz" if compressed else "speech.txt"
    assert f"name it {name} and put it into {cache / 'plays'}" in message
    assert "KQV_DATA" in message
    assert "\n" not in message
    assert files_in(cache) == []


def test_doing_it_by_hand_works_as_the_message_says(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, compressed=True)
    put(cache, gzip.compress(CONTENT), "speech.txt.gz")
    assert sources.fetch("hamlet") == {"speech.txt": cache / "plays" / "speech.txt.gz"}


@pytest.mark.parametrize("kind", KINDS)
def test_fetch_mends_the_cache(kind: str, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, f"{server.address}/a")
    server.pages["/a"] = CONTENT
    name, content, _ = damaged(kind)
    put(cache, content, name)
    sources.fetch("hamlet")
    assert sources.read("hamlet", "speech.txt") == CONTENT


def test_fetch_leaves_a_damaged_own_file_alone(
    server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, f"{server.address}/a")
    server.pages["/a"] = CONTENT
    own = put(tmp_path / "own", OTHER)
    monkeypatch.setenv("KQV_DATA", str(tmp_path / "own"))
    with pytest.raises(DataError, match=r"remove it or replace it .*KQV_DATA is yours"):
        sources.fetch("hamlet")
    assert own.read_bytes() == OTHER
    assert server.asked == []
    own.unlink()  # what the message advises
    sources.fetch("hamlet")
    assert sources.read("hamlet", "speech.txt") == CONTENT


def test_force_downloads_again_and_keeps_the_old_file_if_that_fails(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, f"{server.address}/a")
    put(cache, CONTENT)
    with pytest.raises(DataError, match="404"):
        sources.fetch("hamlet", force=True)
    assert sources.read("hamlet", "speech.txt") == CONTENT
    server.pages["/a"] = CONTENT
    sources.fetch("hamlet", force=True)
    assert server.asked == ["/a", "/a"]


def test_a_cache_that_cannot_be_written_is_said(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, f"{server.address}/a")
    server.pages["/a"] = CONTENT
    cache.write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"hamlet: speech.txt cannot be written into .*plays .*KQV_DATA"):
        sources.fetch("hamlet")


def test_a_full_disk_is_no_fault_of_the_server(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, f"{server.address}/a", f"{server.address}/b")
    server.pages |= {"/a": CONTENT, "/b": CONTENT}

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(DataError, match=r"cannot be written into .*No space left on device.*make room"):
        sources.fetch("hamlet")
    assert server.asked == ["/a"]


def test_progress_counts_the_bytes_that_came(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bar:
        total = 0
        done = 0
        highest = 0
        closed = False

        def update(self, amount: int, /) -> None:
            self.done += amount
            self.highest = max(self.highest, self.done)

        def reset(self) -> None:
            self.done = 0

        def close(self) -> None:
            self.closed = True

    bars: list[tuple[str, str, Bar]] = []

    def start(source: Source, file: File) -> Bar:
        bars.append((source.name, file.name, Bar()))
        return bars[-1][2]

    register(monkeypatch, f"{server.address}/a")
    server.pages["/a"] = CONTENT
    sources.fetch("hamlet", start)
    [(name, file, bar)] = bars
    assert (name, file, bar.total, bar.done, bar.closed) == ("hamlet", "speech.txt", len(CONTENT), len(CONTENT), True)
    assert bar.highest >= len(CONTENT)
    sources.fetch("hamlet", start)
    assert len(bars) == 1, "what is here needs no bar"


def test_many_threads_fetch_at_once(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, f"{server.address}/a")
    server.pages["/a"] = CONTENT
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(sources.read("hamlet", "speech.txt"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [CONTENT] * 8
    assert files_in(cache) == ["plays/speech.txt"]


# The real files, where they are


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.files])
def test_the_real_files_have_the_registered_checksums(name: str) -> None:
    if not all(sources.find(SOURCES[name], file) for file in SOURCES[name].files):
        pytest.skip(f"{name} is not here: set KQV_DATA to a folder that has it")
    assert {check.file.name: check.state for check in sources.verify(name)} == {
        file.name: "good" for file in SOURCES[name].files
    }


def test_a_server_that_sends_without_end_is_stopped(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "BESIDE", 1000)
    register(monkeypatch, f"{server.address}/long", f"{server.address}/a")
    server.pages |= {"/long": CONTENT + bytes(2_000_000), "/a": CONTENT}
    assert sources.fetch("hamlet")["speech.txt"].read_bytes() == CONTENT
    register(monkeypatch, f"{server.address}/long")
    with pytest.raises(DataError, match=r"it gives more than the [\d,]+ bytes of the file, so it was stopped"):
        sources.fetch("hamlet", force=True)


def test_of_a_large_file_in_the_place_of_another_no_more_is_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "BESIDE", 1000)
    register(monkeypatch, "https://nowhere.invalid/a")
    with put(cache, b"").open("wb") as file:
        file.truncate(1 << 40)  # takes no space
    with pytest.raises(DataError, match="is truncated or altered"):
        sources.read("hamlet", "speech.txt")
