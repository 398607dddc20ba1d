"""Models by their name on the Hugging Face hub, with the extra `hugging-face`."""

from __future__ import annotations

import re
from pathlib import Path

from kqv.errors import Error

FILES = ["*.safetensors", "*.json", "*.jinja"]
"""What is fetched: weights, and what explains them; never anything pickled."""

_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def is_name(text: str) -> bool:
    """Whether a text can be a name on the hub: `owner/model`."""
    return _NAME.fullmatch(text) is not None and ".." not in text and not text.startswith(".")


def fetch(name: str) -> Path:
    """The folder of a model on the hub, fetched where it is not in the hub's own cache.

    Raises `Error` without the extra, for a model that does not exist, and where the network fails.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise Error(
            f"there is no run or folder {name!r}; to fetch a model of that name from the Hugging Face hub install: "
            "pip install 'kqv[hugging-face]'"
        ) from None
    try:
        return Path(snapshot_download(name, allow_patterns=FILES))
    except Exception as failure:  # the library's, its network library's and the system's have nothing in common
        first = next(iter(str(failure).strip().splitlines()), type(failure).__name__)
        raise Error(
            f"there is no run or folder {name!r}, and it could not be fetched from the Hugging Face hub: {first}"
        ) from None
