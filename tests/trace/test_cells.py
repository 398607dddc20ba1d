"""How numbers are written and read."""

from __future__ import annotations

import pytest

from kqv.errors import TraceError
from kqv.trace.cells import PHASES, Cell, Phase, read_cell

DIMENSIONS = ("batch", "head", "query", "key")
SIZES = (1, 4, 6, 6)


def test_positions_may_be_named_in_any_order() -> None:
    reading = read_cell("scores[query=3, head=0, batch=0, key=1]")
    assert reading.resolve(DIMENSIONS, SIZES).index == (0, 0, 3, 1)


def test_a_dimension_of_size_one_may_be_left_out() -> None:
    assert read_cell("scores[key=1,query=3,head=2]").resolve(DIMENSIONS, SIZES).index == (0, 2, 3, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scores[0,0,6,0]", "the last is scores"),
        ("scores[0,0,-1,0]", "count from 0"),
        ("scores[0,0]", "not one element"),
        ("scores[head=1, query=2]", "'key'"),
        ("scores[head=1, query=2, row=1, key=1]", "no dimension 'row'"),
        ("scores[0, head=1, 2, 3]", "name all dimensions"),
        ("scores[head=1, head=1, query=2, key=3]", "twice"),
    ],
)
def test_what_is_no_element_is_refused(text: str, words: str) -> None:
    with pytest.raises(TraceError, match=words):
        read_cell(text).resolve(DIMENSIONS, SIZES)


@pytest.mark.parametrize("text", ["", "[1]", "nonsense:z[0]", "z[0", "z[a]", "z[0]]", "z[1.5]"])
def test_what_is_no_cell_is_refused_with_examples(text: str) -> None:
    with pytest.raises(TraceError, match=r"layers\.1\.z"):
        read_cell(text).resolve(("out",), (4,))


def test_words_stand_for_positions_where_somebody_knows_them() -> None:
    words = ["the", "pizza", "and", "it"]

    def find(dimension: str, word: str, example: int) -> int:
        assert (dimension, example) in {("query", 0), ("key", 0)}
        return words.index(word)

    sizes = (1, 4, 4, 4)
    assert read_cell("scores[0,2,it,pizza]").resolve(DIMENSIONS, sizes, find).index == (0, 2, 3, 1)
    assert read_cell("scores[key=pizza, query=it, head=2]").resolve(DIMENSIONS, sizes, find).index == (0, 2, 3, 1)


def test_heads_that_share_keys_are_counted_through() -> None:
    dimensions, sizes = ("batch", "key_head", "group", "query", "key"), (1, 3, 2, 6, 6)
    assert read_cell("scores[0,5,4,1]").resolve(dimensions, sizes).index == (0, 2, 1, 4, 1)
    assert read_cell("scores[head=2, query=4, key=1]").resolve(dimensions, sizes).index == (0, 1, 0, 4, 1)
    assert read_cell("scores[0,2,1,4,1]").resolve(dimensions, sizes).index == (0, 2, 1, 4, 1)
    with pytest.raises(TraceError, match="the heads 0 to 5; got 6"):
        read_cell("scores[0,6,4,1]").resolve(dimensions, sizes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gradient:z[0,7]", r"write 'grad:z\[0,7\]'"),
        ("gradients:z", r"write 'grad:z'"),
        ("up:layers.0.weight[1,2]", r"write 'update:layers\.0\.weight\[1,2\]'"),
        ("value:z[0]", "can stand grad:, update: or nothing"),
    ],
)
def test_a_prefix_that_does_not_exist_is_told_apart(text: str, words: str) -> None:
    with pytest.raises(TraceError, match=words):
        read_cell(text)


def test_a_tensor_without_names_takes_numbers() -> None:
    assert read_cell("given#2[3,1]").resolve((), (5, 2)).index == (3, 1)
    with pytest.raises(TraceError, match="have no names"):
        read_cell("given[row=1]").resolve((), (5,))


def test_a_single_number_and_an_empty_tensor() -> None:
    assert str(read_cell("loss").resolve((), ())) == "loss"
    with pytest.raises(TraceError, match="single number"):
        read_cell("loss[0]").resolve((), ())
    with pytest.raises(TraceError, match="empty"):
        read_cell("z[0,0]").resolve(("batch", "out"), (0, 4))


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", ["z", "layers.0.weight", "scores#2", "a_b.7"])
@pytest.mark.parametrize("positions", [(), (3,), (0, 9, 1), (1, 2, 3, 4)])
@pytest.mark.parametrize("named", [True, False])
def test_cells_are_read_as_they_are_written(phase: Phase, name: str, positions: tuple[int, ...], named: bool) -> None:
    dimensions = DIMENSIONS[: len(positions)] if named else ()
    cell = Cell(phase, name, positions, dimensions)
    assert read_cell(str(cell)).resolve(dimensions, (10,) * len(positions)) == cell
