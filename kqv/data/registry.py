"""The table of all data sources: what each is, under which licence, and its files with addresses and checksums.

Every checksum is the sha256 of the uncompressed file, so that it holds for each mirror and for a file put in by hand.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """One file of a source.

    `name`, `sha256` and `size` (bytes) are those of the uncompressed file, `addresses` are its public homes in the
    order in which they are tried, and `compressed` says that they give it as gzip.
    """

    name: str
    addresses: tuple[str, ...]
    sha256: str
    size: int
    compressed: bool = False


@dataclass(frozen=True)
class Source:
    """A set of data: `embedded` needs nothing but the installed package, all others have `files` to be fetched.

    `folder` is its subfolder in ``KQV_DATA`` and in the cache; `note` is what a user should know before using it.
    """

    name: str
    title: str
    licence: str
    homepage: str
    files: tuple[File, ...] = ()
    embedded: bool = False
    note: str = ""
    folder: str = ""

    @property
    def size(self) -> int:
        """Bytes of all its files, uncompressed; 0 for an embedded source."""
        return sum(file.size for file in self.files)


MNIST_HOMES = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
MULTI30K_HOMES = (
    "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/",
    "https://github.com/multi30k/dataset/raw/master/data/task1/",
)


def _mnist(name: str, size: int, sha256: str) -> File:
    return File(name, tuple(f"{home}{name}.gz" for home in MNIST_HOMES), sha256, size, compressed=True)


def _multi30k(name: str, size: int, sha256: str) -> File:
    # The raw files are published compressed, the tokenised ones as they are.
    tokenised = ".tok." in name
    path = f"tok/{name}" if tokenised else f"raw/{name}.gz"
    return File(name, tuple(home + path for home in MULTI30K_HOMES), sha256, size, compressed=not tokenised)


DIGITS8X8 = Source(
    name="digits8x8",
    title="1,797 handwritten digits, 8×8",
    licence="CC BY 4.0",
    homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
    embedded=True,
    note="ships with scikit-learn",
)
PYTHON_DOCS = Source(
    name="python-docs",
    title="the Python language reference, 0.5 MB of text",
    licence="PSF License",
    homepage="https://docs.python.org/3/reference/",
    embedded=True,
    note="ships with Python (pydoc_data.topics), so the text differs a little between Python versions",
)
NUMBERS_DATES = Source(
    name="numbers-dates",
    title="numbers, dates, times and amounts, German to English",
    licence="Unicode License",
    homepage="https://babel.pocoo.org",
    embedded=True,
    note="generated with Babel and num2words, from the Unicode locale data",
)
MNIST = Source(
    name="mnist",
    title="70,000 handwritten digits, 28×28",
    licence="CC BY-SA 3.0",
    homepage="https://yann.lecun.com/exdb/mnist/",
    folder="mnist",
    files=(
        _mnist(
            "train-images-idx3-ubyte", 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        _mnist("train-labels-idx1-ubyte", 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        _mnist("t10k-images-idx3-ubyte", 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        _mnist("t10k-labels-idx1-ubyte", 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ),
)
SHAKESPEARE = Source(
    name="shakespeare",
    title="tiny Shakespeare, 1.1 MB of plays",
    licence="public domain",
    homepage="https://github.com/karpathy/char-rnn",
    folder="tinyshakespeare",
    files=(
        File(
            "input.txt",
            (
                "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
                "https://raw.githubusercontent.com/jcjohnson/torch-rnn/master/data/tiny-shakespeare.txt",
                "https://storage.googleapis.com/download.tensorflow.org/data/shakespeare.txt",
            ),
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            1_115_394,
        ),
    ),
)
MULTI30K = Source(
    name="multi30k",
    title="31,014 sentence pairs, German and English",
    licence="research and education only",
    homepage="https://github.com/multi30k/dataset",
    note="descriptions of pictures; for research and education only",
    folder="multi30k",
    files=(
        _multi30k("train.de", 2_110_398, "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72"),
        _multi30k("train.en", 1_801_238, "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6"),
        _multi30k("val.de", 75_981, "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660"),
        _multi30k("val.en", 63_297, "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227"),
        _multi30k("test_2016_flickr.de", 70_649, "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16"),
        _multi30k("test_2016_flickr.en", 62_076, "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182"),
        _multi30k(
            "train.lc.norm.tok.de", 2_150_008, "cb5a23529b65ec2061f1dc446192a9c37382b63cc75f81a0be59d34894b3a505"
        ),
        _multi30k(
            "train.lc.norm.tok.en", 1_837_696, "08925f8e0572bcd5a006702fc5fe20e2d77c6917d4eebd576fc20de6693c2119"
        ),
        _multi30k("val.lc.norm.tok.de", 77_273, "97232bd273eceb7207f689527386a97e4be2616b18ada47576bdaf96c8ae1f00"),
        _multi30k("val.lc.norm.tok.en", 64_608, "46573ce391ae227f1c72f873392436a20ef18e0a6d518098cfbd70b77c8572ec"),
        _multi30k(
            "test_2016_flickr.lc.norm.tok.de",
            71_917,
            "c6a33d39d48f9f510de147651316cd9d918e09ad0219df734a2f16b6baccacc4",
        ),
        _multi30k(
            "test_2016_flickr.lc.norm.tok.en",
            63_307,
            "5b7f32627cf99eced828311b955dae9800bb52bc8b91cf8b6526829e605b29d2",
        ),
    ),
)
GPT2 = Source(
    name="gpt2",
    title="GPT-2's byte-pair encoding, 50,257 tokens",
    licence="MIT (modified)",
    homepage="https://github.com/openai/gpt-2",
    folder="gpt2",
    files=(
        File(
            "encoder.json",
            (
                "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/encoder.json",
                "https://huggingface.co/openai-community/gpt2/resolve/main/vocab.json",
            ),
            "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
            1_042_301,
        ),
        File(
            "vocab.bpe",
            (
                "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/vocab.bpe",
                "https://huggingface.co/openai-community/gpt2/resolve/main/merges.txt",
            ),
            "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
            456_318,
        ),
    ),
)

SOURCES: dict[str, Source] = {
    source.name: source for source in (DIGITS8X8, PYTHON_DOCS, NUMBERS_DATES, MNIST, SHAKESPEARE, MULTI30K, GPT2)
}
