"""Tiny Shakespeare: plays as one text."""

from __future__ import annotations

from kqv.data.sets.table import File, Read, Source, add

SOURCE = Source(
    name="shakespeare",
    title="tiny Shakespeare, 1.1 MB of plays",
    kind="text",
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


def text(read: Read) -> bytes:
    """All plays, one after the other."""
    return read("input.txt")


add(SOURCE, text=text)
