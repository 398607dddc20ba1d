"""The Python language reference, as `help()` shows it."""

from __future__ import annotations

from kqv.data.sets.table import Read, Source, add

SOURCE = Source(
    name="python-docs",
    title="the Python language reference, 0.5 MB of text",
    kind="text",
    licence="PSF License",
    homepage="https://docs.python.org/3/reference/",
    embedded=True,
    note="ships with Python (pydoc_data.topics), so the text differs a little between Python versions",
)


def text(_: Read) -> bytes:
    """The language reference that `help()` shows: its topics by name, with a blank line between two."""
    from pydoc_data.topics import topics

    return "\n\n".join(topics[topic] for topic in sorted(topics)).encode("utf-8")


add(SOURCE, text=text)
