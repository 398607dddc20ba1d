"""Traces and explanations as HTML for a notebook: no script, colours that suit light and dark."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any

from kqv.arithmetic import number
from kqv.trace.explanation import Explanation
from kqv.trace.records import TensorRecord
from kqv.trace.views.described import describe
from kqv.trace.views.table import numbers_text, own_name

if TYPE_CHECKING:
    from kqv.trace.trace import Trace

_QUIET = "opacity:.65;font-size:90%"
_MONO = "font-family:ui-monospace,Menlo,Consolas,monospace"


def explanation_html(explanation: Explanation) -> str:
    """One cell with its arithmetic."""
    found = describe(explanation)
    heading = " · ".join(filter(None, [explanation.symbol, explanation.heading, str(explanation.location)]))
    title = f"<b>{escape(str(explanation.cell))} = {escape(number(explanation.value))}</b>"
    meaning = f" {escape(explanation.meaning)}" if explanation.meaning else ""
    rows = [("step", escape(explanation.occasion))] if explanation.occasion else []
    rows += _rows(found, skip_check=bool(found["parts"]) and explanation.expression is None)
    for count, part in enumerate(found["parts"], 1):
        rows.append((f"use {count}", f"<b>{escape(part['heading'])}</b>"))
        rows += _rows(part, skip_check=False)
    body = "".join(
        f'<tr><td style="text-align:left;vertical-align:top;{_QUIET}">{label}</td>'
        f'<td style="text-align:left;{_MONO}">{content}</td></tr>'
        for label, content in rows
    )
    return f'<div>{title}{meaning} <span style="{_QUIET}">{escape(heading)}</span><table>{body}</table></div>'


def _rows(part: dict[str, Any], skip_check: bool) -> list[tuple[str, str]]:
    rows = [("formula", escape(part["formula"]))]
    if part["numbers"]:
        rows.append(("numbers", escape(f"{part['numbers']} = {_shown(part['value'])}")))
    rows += [("where", escape(f"{name} = {arithmetic}")) for name, arithmetic in part["where"]]
    sources = [
        escape(f"{source['cell']} = {_shown(source['value'])} {source.get('meaning', '')}")
        for source in part["from"][:10]
    ]
    if sources:
        rows.append(("from", "<br>".join(sources)))
    if part["chosen by"]:
        rows.append(("chosen by", "<br>".join(escape(source["cell"]) for source in part["chosen by"][:4])))
    if part["check"] and not skip_check:
        rows.append(("check", escape(part["check"])))
    return rows


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else number(value)


def trace_html(trace: Trace) -> str:
    """All tensors, module by module; modules can be folded."""
    parts = []
    for path, members in groupby(trace.tensors, key=lambda r: "weights" if r.kind != "activation" else r.path):
        rows = "".join(_row(record) for record in members)
        title = escape(path or "around the model")
        parts.append(f"<details open><summary><b>{title}</b></summary><table>{rows}</table></details>")
    return f"<div>{''.join(parts)}</div>"


def _row(record: TensorRecord) -> str:
    name = own_name(record) if record.kind == "activation" else record.name
    cells = [
        f"<b>{escape(name)}</b> {escape(record.symbol)}",
        f"<span>{escape(record.shape_text)}</span>",
        escape(f"{record.origin}: {record.formula}" if record.formula else record.origin),
        escape(numbers_text(record)),
        f'<span style="{_QUIET}">{escape(str(record.location))}</span>',
    ]
    return "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>"
