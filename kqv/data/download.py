"""Downloading one file of a source: mirror after mirror, checked before it takes its place, with one-line errors."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from kqv.data.registry import File, Source
from kqv.errors import DataError
from kqv.files.temporary import new_folder, remove_leftovers

SECONDS_WITHOUT_AN_ANSWER = 30


class Bar(Protocol):
    """What pooch asks of a progress bar: it sets `total`, adds by `update`, and at the end resets, fills and closes."""

    total: int

    def update(self, amount: int, /) -> None:
        """Add `amount` bytes."""

    def reset(self) -> None:
        """Go back to zero bytes."""

    def close(self) -> None:
        """The download has ended."""


BESIDE = 64 << 20  # bytes that an archive may have beside the file

Progress = Callable[[Source, File], Bar]


def unpack(content: bytes, size: int) -> bytes:
    """`content` without its gzip compression, if it has one; at most `size` + 1 bytes, enough to see that it is wrong.

    What breaks off early comes back as far as it goes. Raises `zlib.error` for damaged compression.
    """
    # Looking at the content instead of the name: some servers and browsers take the compression off on the way.
    if content[:2] != b"\x1f\x8b":
        return content
    return zlib.decompressobj(wbits=31).decompress(content, size + 1)


def extract(content: bytes, file: File) -> bytes:
    """`file` out of a zip archive that has it, such as a wheel, in whichever folder; other content as it is.

    At most `file.size` + 1 bytes are unpacked. Raises `zipfile.BadZipFile` for a damaged archive.
    """
    if content[:4] != b"PK\x03\x04":
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        member = next((it for it in archive.namelist() if PurePosixPath(it).name == file.name), None)
        if member is None:
            raise zipfile.BadZipFile(f"it has no {file.name}")
        with archive.open(member) as opened:
            return opened.read(file.size + 1)


def most_of(file: File) -> int:
    """How many bytes are read of what should be `file`: its size, and what compression and an archive may add."""
    return file.size + BESIDE


def download(source: Source, file: File, folder: Path, progress: Progress | None = None) -> Path:
    """Download `file` uncompressed into `folder` and return its path; what lay there is replaced in one step.

    Nothing takes the file's place before its sha256 is right. Raises `DataError` if no address gives the right file
    or the folder can't be written, with what to do by hand.
    """
    failures = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        # A folder of its own: a download that is killed leaves nothing under the file's name.
        with new_folder(folder, "download") as temporary:
            for address in file.addresses:
                failure = _try(address, file, temporary, progress(source, file) if progress else None)
                if not failure:
                    return (temporary / file.name).replace(folder / file.name)
                failures.append(f"{address}: {failure}")
    except OSError as error:
        raise DataError(
            f"{source.name}: {file.name} cannot be written into {folder} ({error.strerror or error}); make room or give"
            f" permission there, or set KQV_DATA to a folder that holds {source.folder}/{file.name}"
        ) from error
    elsewhere = f", or elsewhere ({file.by_hand})" if file.by_hand else ""
    raise DataError(
        f"{source.name}: {file.name} could not be downloaded ({'; '.join(failures)}). By hand: download it from one of"
        f" these addresses{elsewhere}, name it {_name_by_hand(file)} and put it"
        f" into {folder}, or into the subfolder {source.folder} of a folder that KQV_DATA names"
    )


def _name_by_hand(file: File) -> str:
    return file.name + ".gz" if file.compressed else file.name


def _try(address: str, file: File, folder: Path, bar: Bar | None) -> str:
    """Download from one address into `folder`; what went wrong, or an empty string."""
    import pooch  # type: ignore[import-untyped]
    import requests

    receive = pooch.HTTPDownloader(progressbar=bar or False, chunk_size=65_536, timeout=SECONDS_WITHOUT_AN_ANSWER)

    def receive_and_unpack(url: str, output: str, _: object) -> None:
        path = Path(output)
        with path.open("wb") as received:
            receive(url, _Limited(received, most_of(file)), None)
        path.write_bytes(unpack(extract(path.read_bytes(), file), file.size))

    pooch.get_logger().setLevel("WARNING")  # else it writes a line to standard error for each file
    try:
        pooch.retrieve(address, f"sha256:{file.sha256}", fname=file.name, path=folder, downloader=receive_and_unpack)
    except requests.RequestException as error:
        return _reason(error)
    except _TooLongError:
        return f"it gives more than the {file.size:,} bytes of the file, so it was stopped"
    except (ValueError, zlib.error, zipfile.BadZipFile, EOFError, RuntimeError):
        # pooch raises ValueError when the checksum is another one; zipfile the last two for archives it cannot unpack.
        return "what it gives is not the expected file (another checksum)"
    return ""


class _TooLongError(Exception):
    """More came than the file has."""


class _Limited:
    """A file to write to, up to so many bytes: a server may send without end, and say no length before."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self.file, self.left = file, most

    def write(self, content: bytes) -> int:
        self.left -= len(content)
        if self.left < 0:
            raise _TooLongError
        return self.file.write(content)

    def flush(self) -> None:
        self.file.flush()


def _reason(error: Exception) -> str:
    """A few words for a failed request; the library's own text is several lines."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}".rstrip()
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__
