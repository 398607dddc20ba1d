"""Multi30k: descriptions of pictures, German and English."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kqv.data.sets.table import File, Read, Source, add
from kqv.errors import DataError

if TYPE_CHECKING:
    from kqv.data.parallel.pairs import Pairs, ParallelText, Wanted

HOMES = (
    "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/",
    "https://github.com/multi30k/dataset/raw/master/data/task1/",
)


def _file(name: str, size: int, sha256: str) -> File:
    # The raw files are published compressed, the tokenised ones as they are.
    tokenised = ".tok." in name
    path = f"tok/{name}" if tokenised else f"raw/{name}.gz"
    return File(name, tuple(home + path for home in HOMES), sha256, size, compressed=not tokenised)


SOURCE = Source(
    name="multi30k",
    title="31,014 sentence pairs, German and English",
    kind="sentence pairs",
    licence="research and education only",
    homepage="https://github.com/multi30k/dataset",
    note="descriptions of pictures; for research and education only",
    folder="multi30k",
    forms=("raw", "tokenised"),
    files=(
        _file("train.de", 2_110_398, "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72"),
        _file("train.en", 1_801_238, "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6"),
        _file("val.de", 75_981, "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660"),
        _file("val.en", 63_297, "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227"),
        _file("test_2016_flickr.de", 70_649, "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16"),
        _file("test_2016_flickr.en", 62_076, "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182"),
        _file("train.lc.norm.tok.de", 2_150_008, "cb5a23529b65ec2061f1dc446192a9c37382b63cc75f81a0be59d34894b3a505"),
        _file("train.lc.norm.tok.en", 1_837_696, "08925f8e0572bcd5a006702fc5fe20e2d77c6917d4eebd576fc20de6693c2119"),
        _file("val.lc.norm.tok.de", 77_273, "97232bd273eceb7207f689527386a97e4be2616b18ada47576bdaf96c8ae1f00"),
        _file("val.lc.norm.tok.en", 64_608, "46573ce391ae227f1c72f873392436a20ef18e0a6d518098cfbd70b77c8572ec"),
        _file(
            "test_2016_flickr.lc.norm.tok.de",
            71_917,
            "c6a33d39d48f9f510de147651316cd9d918e09ad0219df734a2f16b6baccacc4",
        ),
        _file(
            "test_2016_flickr.lc.norm.tok.en",
            63_307,
            "5b7f32627cf99eced828311b955dae9800bb52bc8b91cf8b6526829e605b29d2",
        ),
    ),
)


def parallel(read: Read, wanted: Wanted) -> ParallelText:
    """The 29,000, 1,014 and 1,000 pairs (test: 2016, Flickr), raw or lowercased, normalised and tokenised.

    Raises `DataError` if a quantity is wanted: the set is taken whole.
    """
    from kqv.data.parallel.files import lines_of, pair_lines
    from kqv.data.parallel.pairs import ParallelText

    if wanted.quantity is not None:
        raise DataError("multi30k is taken whole; a quantity is for pairs that are generated")
    form = "" if wanted.form == "raw" else ".lc.norm.tok"

    def split(name: str) -> Pairs:
        names = (f"{name}{form}.de", f"{name}{form}.en")
        german, english = (lines_of(read(file), file) for file in names)
        return tuple(pair_lines(german, english, names)[0])

    return ParallelText("multi30k", "de", "en", split("train"), split("val"), split("test_2016_flickr"), wanted.form)


add(SOURCE, parallel=parallel)
