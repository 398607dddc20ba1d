"""How many squares tell: counted as the page itself would, and more of them for the word that is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from browsing import needs_browser, report_of
from test_page_of_texts import FORMS, TOKENS, trace_of

from kqv.trace.trace import Trace
from kqv.trace.views.page import page_html
from kqv.trace.views.page.content import page_content
from kqv.trace.views.page.held import Held
from kqv.trace.views.page.squares import cells_of, squares_of
from kqv.trace.views.page.word_rows import needed_for, row_of_word

CUT = 40  # so few numbers of each tensor are held that many squares lack some


@pytest.fixture(scope="module")
def trace() -> Trace:
    return trace_of(tokens=TOKENS, **FORMS["many blocks, shared keys, large vocabulary"])


def content_of(trace: Trace, word: str | None, elements: int = CUT) -> dict[str, Any]:
    return page_content(trace, "kqv trace", 20, elements, word)


def held_by(content: dict[str, Any]) -> Held:
    return Held.of(content["tensors"], content["remembered"], content["answers"]["others"])


def test_where_all_is_held_every_square_tells() -> None:
    small = trace_of(tokens=TOKENS[:4], vocab=12, blocks=1)
    content = content_of(small, None, 10_000)
    found = squares_of(small, content, 300)
    assert found.fraction == 1
    counts = [record.tensor.numel() * (1 + (record.readable_gradient is not None)) for record in small.tensors]
    assert found.drawn == sum(counts)


def test_cells_are_of_what_is_drawn(trace: Trace) -> None:
    content = content_of(trace, "it")
    held, undrawn = held_by(content), {one["name"]: one["undrawn"] for one in content["tensors"]}
    fields = {"forward": "value", "backward": "gradient", "update": "update"}
    cells = list(cells_of(trace, content, 400))
    assert len({str(cell) for cell in cells}) == 400
    for cell in cells:
        assert fields[cell.phase] not in undrawn[cell.name]
        assert held.stored[(cell.phase, cell.name)] is not None


def test_the_head_of_the_asked_word_is_told_back_to_the_stream(trace: Trace) -> None:
    row = row_of_word(trace, "it")
    assert row is not None
    with_word, without = held_by(content_of(trace, "it")), held_by(content_of(trace, None))
    told: dict[str, bool] = {}
    for name in needed_for(trace, row):
        record = trace[name]
        if record.path == row.attention.module and record.kind == "activation" and "query_key_value" in name:
            projection = record
    channels = needed_for(trace, row)[f"{row.attention.module}.query_key_value.weight"][0]
    for channel in channels:
        for position in range(projection.sizes[1]):
            cell = projection.cell("forward", (0, position, channel))
            explanation = trace.explain(cell)
            assert with_word.explains(cell, explanation), cell
            told[str(cell)] = without.explains(cell, explanation)
    assert not all(told.values())


def test_more_squares_tell_with_a_word(trace: Trace) -> None:
    found = {word: squares_of(trace, content_of(trace, word), 600) for word in ("it", None)}
    assert found["it"].telling / found["it"].looked_at > found[None].fraction


PROMISES = """
const promised = ({ tensor, phase, index }) => answers(tensor, phase, index);
finish({ promised: CELLS.map((text) => promised(readCell(text))) });
"""


@needs_browser
def test_the_page_promises_what_was_counted(trace: Trace, tmp_path: Path) -> None:
    content = content_of(trace, "it")
    cells = list(cells_of(trace, content, 400, seed=1))
    held = held_by(content)
    expected = [str(cell) in content["cells"] or held.explains(cell, trace.explain(cell)) for cell in cells]
    html = page_html(trace, cells=20, elements=CUT, word="it")
    script = f"const CELLS = {json.dumps([str(cell) for cell in cells])};{PROMISES}"
    report, _ = report_of(html, script, tmp_path)
    assert report["promised"] == expected
