"""Models by their name on the Hugging Face hub, with the extra `hugging-face`."""

from __future__ import annotations

import re
from pathlib import Path

from kqv.errors import Error

FILES = ["*.safetensors", "*.json", "*.jinja"]
"""What is fetched: weights, and what explains them; never anything pickled."""

_NAME = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w.-]+))?")


def is_name(text: str) -> bool:
    """Whether a text can be a name on the hub: `owner/model`, or of one revision of it `owner/model@revision`."""
    return _NAME.fullmatch(text) is not None and ".." not in text and not text.startswith(".")


def pinned(name: str, folder: Path) -> str:
    """The name of the commit that was fetched into a folder: what is fetched again by it is the same."""
    commit = folder.name
    return f"{name.partition('@')[0]}@{commit}" if re.fullmatch(r"[0-9a-f]{40}", commit) else name


def fetch(name: str) -> Path:
    """The folder of a model on the hub, fetched where it is not in the hub's own cache: of the revision that the name
    has (a commit, a tag or a branch), else of the newest. The folder is called after the commit.

    Raises `Error` without the extra, for a model that does not exist, and where the network fails.
    """
    found = _NAME.fullmatch(name)
    model, revision = (name, None) if found is None else (found[1], found[2])
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise Error(
            f"there is no run or folder {name!r}; to fetch a model of that name from the Hugging Face hub install: "
            "pip install 'kqv[hugging-face]'"
        ) from None
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=FILES))
    except Exception as failure:  # the library's, its network library's and the system's have nothing in common
        first = next(iter(str(failure).strip().splitlines()), type(failure).__name__)
        raise Error(
            f"there is no run or folder {name!r}, and it could not be fetched from the Hugging Face hub: {first}"
        ) from None
