"""The tables of all data sets: what each is, under which licence, its files, and what reads it.

Every checksum is the sha256 of the uncompressed file, so that it holds for each mirror and for a file put in by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from kqv.data.labelled import DigitData
    from kqv.data.parallel.pairs import Form, ParallelText, Wanted

Kind = Literal["pictures", "text", "sentence pairs", "vocabulary", "model", "other"]
Read: TypeAlias = Callable[[str], bytes]
"""Gives the content of one of a set's own files by its name, uncompressed and checked; fetches it if it is missing."""


@dataclass(frozen=True)
class File:
    """One file of a source.

    `name`, `sha256` and `size` (bytes) are those of the uncompressed file, `addresses` are its public homes in the
    order in which they are tried, and `compressed` says that they give it as gzip. An address may also give a zip
    archive that has the file; `by_hand` says in words where else it is to be had.
    """

    name: str
    addresses: tuple[str, ...]
    sha256: str
    size: int
    compressed: bool = False
    by_hand: str = ""


@dataclass(frozen=True)
class Source:
    """A set of data: `embedded` needs nothing but the installed package, all others have `files` to be fetched.

    `name` is in lower case. `folder` is its subfolder in the folders of ``KQV_DATA`` and in the cache; `note` is what a
    user should know before using it; `forms` are those in which sentence pairs are to be had. Lists show the embedded
    sources first, then by `kind`.
    """

    name: str
    title: str
    licence: str
    homepage: str
    files: tuple[File, ...] = ()
    embedded: bool = False
    note: str = ""
    folder: str = ""
    kind: Kind = "other"
    forms: tuple[Form, ...] = ("raw",)

    @property
    def size(self) -> int:
        """Bytes of all its files, uncompressed; 0 for an embedded source."""
        return sum(file.size for file in self.files)


SOURCES: dict[str, Source] = {}
"""Every set by its name; each file of this folder adds its own."""

PICTURES: dict[str, Callable[[Read], DigitData]] = {}
"""What reads each set of labelled pictures."""

TEXTS: dict[str, Callable[[Read], bytes]] = {}
"""What reads each text: its UTF-8."""

PARALLEL: dict[str, Callable[[Read, Wanted], ParallelText]] = {}
"""What reads or generates each set of sentence pairs."""


def add(
    source: Source,
    *,
    pictures: Callable[[Read], DigitData] | None = None,
    text: Callable[[Read], bytes] | None = None,
    parallel: Callable[[Read, Wanted], ParallelText] | None = None,
) -> None:
    """Put a set into the tables, with what reads it where it is pictures, a text or pairs.

    Raises `ValueError` for a name that is taken or not in lower case.
    """
    if source.name in SOURCES:
        raise ValueError(f"there are two data sets called {source.name!r}; give one of them another name")
    if source.name != source.name.strip().lower():
        raise ValueError(f"the name of a data set is in lower case, not {source.name!r}")
    SOURCES[source.name] = source
    if pictures is not None:
        PICTURES[source.name] = pictures
    if text is not None:
        TEXTS[source.name] = text
    if parallel is not None:
        PARALLEL[source.name] = parallel
    for table in (SOURCES, PICTURES, TEXTS, PARALLEL):
        _arrange(table)


def listed(names: Iterable[str]) -> str:
    """Names of sets in a text: "digits8x8 (embedded), mnist"."""
    return ", ".join(f"{name} (embedded)" if SOURCES[name].embedded else name for name in names)


def _arrange(table: dict[str, Any]) -> None:
    """Bring a table into the order in which it is shown."""
    kinds = get_args(Kind)
    ordered = sorted(table, key=lambda name: (not SOURCES[name].embedded, kinds.index(SOURCES[name].kind), name))
    for name in ordered:
        table[name] = table.pop(name)
