"""Foreign strings on a terminal: names of files, classes and tensors, generated text, what a learner's code prints.

A control character in one of them could move the cursor, colour the screen or set the window's title, and a
directional override shows letters in another order than they stand. All are spelled out.
"""

from __future__ import annotations

import re

# C0, DEL and C1 controls; marks, embeddings, overrides and isolates of direction; separators of lines and paragraphs;
# bytes of a file name that are no UTF-8 (Python holds them as lone surrogates)
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_PICTURES = 0x2400  # Unicode's signs for control characters: ␀ for 0, ␛ for 27
_DELETE = 0x7F


def visible(text: str, keep: str = "") -> str:
    """The text with a sign in place of each character that a terminal would obey instead of showing: ␛ for \\x1b,
    \\u202e for the override of that number. Those in `keep` stay, such as line breaks where text is streamed."""
    return _UNSEEN.sub(lambda found: found[0] if found[0] in keep else _sign(ord(found[0])), text)


def _sign(code: int) -> str:
    if code < ord(" "):
        return chr(_PICTURES + code)
    if code == _DELETE:
        return "␡"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
