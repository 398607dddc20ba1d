"""GGUF files that are damaged, cut off or hostile: refused in one line, at once and without their memory."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf.constants import GGMLQuantizationType
from gguf_files import write
from hypothesis import given, settings
from hypothesis import strategies as st

from kqv.errors import DataError
from kqv.interchange.gguf import read
from kqv.interchange.gguf_file import opened


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("whole") / "model.gguf", "llama", "Q4_0")


def assert_refused(path: Path, message: str = ".") -> None:
    with pytest.raises(DataError, match=message) as refused:
        read(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def header(tensors: int = 0, keys: int = 0, rest: bytes = b"", version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys) + rest


def text(content: str) -> bytes:
    return struct.pack("<Q", len(content.encode())) + content.encode()


def test_the_header_says_what_the_package_reads(whole: Path) -> None:
    ours, theirs = opened(whole), gguf.GGUFReader(whole)
    fields = {name: field.contents() for name, field in theirs.fields.items() if not name.startswith("GGUF.")}
    assert dict(ours.metadata) == fields
    assert {name: extent.start for name, extent in ours.extents.items()} == {
        tensor.name: tensor.data_offset for tensor in theirs.tensors
    }
    for tensor in theirs.tensors:
        expected = gguf.dequantize(tensor.data, tensor.tensor_type)
        assert torch.equal(ours.read(tensor.name), torch.from_numpy(np.array(expected)))


BLOCK_TYPES = [
    kind
    for kind in GGMLQuantizationType
    if kind in gguf.quants._type_traits and gguf.GGML_QUANT_SIZES[kind][0] > 1  # with a dequantisation
]


@pytest.mark.parametrize("kind", BLOCK_TYPES, ids=lambda kind: kind.name)
def test_every_quantised_type_is_dequantised_as_the_package_does(kind: GGMLQuantizationType, tmp_path: Path) -> None:
    """Of random blocks, since the package quantises only some of them."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    content = np.random.default_rng(1).integers(0, 60, (3, 2 * size), dtype=np.uint8)
    writer = gguf.GGUFWriter(tmp_path / "one.gguf", "llama")
    writer.add_tensor("some", content, raw_dtype=kind)
    for write_part in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write_part()
    writer.close()
    found = opened(tmp_path / "one.gguf").read("some")
    assert found.shape == (3, 2 * block)
    assert torch.equal(found, torch.from_numpy(gguf.dequantize(content, kind)).float())


@pytest.mark.parametrize("kind", ["F64", "I32"])
def test_a_type_that_is_no_weight_is_refused(kind: str, tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "one.gguf", "llama")
    writer.add_tensor("token_embd.weight", np.zeros((3, 4), dtype={"F64": "f8", "I32": "i4"}[kind]))
    for write_part in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write_part()
    writer.close()
    with pytest.raises(DataError, match=f"token_embd.weight' is of type {kind}, which cannot be read here"):
        opened(tmp_path / "one.gguf")


HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not a GGUF file"),
    "another format": (b"PK\x03\x04" + bytes(100), "does not begin with the letters GGUF"),
    "cut in the counts": (b"GGUF\x03\0\0\0", "is damaged or cut off: 8 bytes should follow byte 8, but it has 8"),
    "version 1": (header(version=1), "has GGUF's version 1, but only 2 and 3 are supported"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "is written for big-endian machines"),
    "a billion tensors": (header(tensors=10**9), "claims to have 1,000,000,000 tensors"),
    "all tensors there are": (header(tensors=2**64 - 1), "claims to have 18,446,744,073,709,551,615 tensors"),
    "a billion keys": (header(keys=10**9), "claims to have 1,000,000,000 keys"),
    "tensors that are not there": (header(tensors=60_000), "8 bytes should follow byte 24"),
    "a long key": (header(keys=1, rest=struct.pack("<Q", 2**63)), "a name of 9,223,372,036,854,775,808 bytes"),
    "a long text": (header(keys=1, rest=text("k") + struct.pack("<IQ", 8, 2**62)), "bytes should follow"),
    "a long list": (header(keys=1, rest=text("k") + struct.pack("<IIQ", 9, 0, 10**9)), "claims to have 1,000,000,000"),
    "a list that is cut": (header(keys=1, rest=text("k") + struct.pack("<IIQ", 9, 6, 10**6)), "bytes should follow"),
    "a list of lists": (header(keys=1, rest=text("k") + struct.pack("<IIQ", 9, 9, 1)), "k has a value of type 9"),
    "no type": (header(keys=1, rest=text("k") + struct.pack("<I", 77)), "k has a value of type 77, which is none"),
    "no text": (header(keys=1, rest=struct.pack("<Q", 2) + b"\xff\xfe"), "the text before byte 34 is not UTF-8"),
    "a key twice": (header(keys=2, rest=(text("k") + struct.pack("<IB", 7, 1)) * 2), "the key 'k' comes twice"),
    "odd alignment": (
        header(keys=1, rest=text("general.alignment") + struct.pack("<II", 4, 48)),
        "general.alignment is 48, but a power of two",
    ),
    "a text as alignment": (
        header(keys=1, rest=text("general.alignment") + struct.pack("<I", 8) + text("32")),
        "general.alignment is '32'",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_header_that_cannot_be_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    content, message = HOSTILE[kind]
    (tmp_path / "model.gguf").write_bytes(content)
    began = time.perf_counter()
    assert_refused(tmp_path / "model.gguf", message)
    assert time.perf_counter() - began < 5


def tensor(name: str, dimensions: list[int], kind: int = 0, start: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, kind, start)


TENSORS: dict[str, tuple[bytes, str]] = {
    "no dimension": (tensor("a", []), "the tensor 'a' has 0 dimensions"),
    "a billion dimensions": (text("a") + struct.pack("<I", 10**9), "the tensor 'a' has 1,000,000,000 dimensions"),
    "a dimension of nothing": (tensor("a", [4, 0]), r"'a' of shape \[0, 4\] and type F32 cannot be"),
    "more numbers than there are": (tensor("a", [2**63, 2**63]), "the tensor 'a' should reach to byte"),
    "past the end": (tensor("a", [4, 8]), "the tensor 'a' should reach to byte 224, but it has 160"),
    "begun past the end": (tensor("a", [1], start=2**63), "the tensor 'a' should reach to byte"),
    "no whole blocks": (tensor("a", [33], kind=2), r"'a' of shape \[33\] and type Q4_0 cannot be"),
    "not aligned": (tensor("a", [1], start=4), "cannot be"),
    "an unknown type": (tensor("a", [1], kind=250), "'a' is of type 250, which the package gguf does not know"),
    "twice": (tensor("a", [1]) + tensor("a", [1], start=32), "the tensor 'a' comes twice"),
    "the same bytes": (tensor("a", [2]) + tensor("b", [2]), "the tensors 'a' and 'b' share bytes"),
    "some of the same bytes": (tensor("a", [12]) + tensor("b", [2], start=32), "'a' and 'b' share bytes"),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_a_tensor_that_cannot_be_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    content, message = TENSORS[kind]
    start = header(tensors=1 + content.count(text("a"), 1) + content.count(text("b")), rest=content)
    padded = start + bytes(-len(start) % 32)
    (tmp_path / "model.gguf").write_bytes(padded + bytes(max(160 - len(padded), 0)))
    began = time.perf_counter()
    assert_refused(tmp_path / "model.gguf", message)
    assert time.perf_counter() - began < 5


def test_a_large_file_of_nothing_is_refused_at_once(tmp_path: Path) -> None:
    """A sparse file: all that it claims is there, and is zero."""
    lists = b"".join(text(f"k{number}") + struct.pack("<IIQ", 9, 8, 4_000_000) for number in range(3))
    for content in (header(tensors=60_000), header(keys=60_000), header(keys=1, rest=lists)):
        with (tmp_path / "model.gguf").open("wb") as file:
            file.write(content)
            file.truncate(10_000_000_000)
        began = time.perf_counter()
        assert_refused(tmp_path / "model.gguf")
        assert time.perf_counter() - began < 5


def test_a_file_cut_anywhere_is_refused(whole: Path, tmp_path: Path) -> None:
    content = whole.read_bytes()
    path = tmp_path / "model.gguf"
    for length in np.linspace(0, len(content) - 1, 60, dtype=int).tolist():
        path.write_bytes(content[:length])
        assert_refused(path)


def test_flipped_bits_are_refused_in_one_line_or_give_a_model(whole: Path, tmp_path: Path) -> None:
    content, path = whole.read_bytes(), tmp_path / "model.gguf"
    first = min(extent.start for extent in opened(whole).extents.values())
    positions = st.one_of(st.integers(0, first - 1), st.integers(0, 1200), st.integers(first - 1600, len(content) - 1))

    @settings(max_examples=250, deadline=None)
    @given(st.lists(st.tuples(positions, st.integers(0, 255)), min_size=1, max_size=4))
    def check(changes: list[tuple[int, int]]) -> None:
        damaged = bytearray(content)
        for position, value in changes:
            damaged[position] = value
        path.write_bytes(damaged)
        try:
            read(path)
        except DataError as failure:
            assert "\n" not in str(failure)  # noqa: PT017 - also a model may come of it

    check()


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", "gpt2")
    file = opened(path)
    path.write_bytes(path.read_bytes()[:-64])
    last = max(file.extents, key=lambda name: file.extents[name].start)
    with pytest.raises(DataError, match="became shorter while it was read"):
        file.read(last)


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is missing; give the path of a GGUF file"):
        read(tmp_path / "nothing.gguf")
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path)
