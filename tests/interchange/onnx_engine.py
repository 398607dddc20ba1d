"""onnxruntime running files of ONNX, with the key-value cache carried from call to call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]


def session_of(content: Path | bytes) -> Any:
    """A session of one thread, for small models on a busy machine."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(content if isinstance(content, bytes) else str(content), options)


class Engine:
    """A GPT's file."""

    def __init__(self, content: Path | bytes) -> None:
        self.session = session_of(content)
        self.empty = {
            it.name: (it.shape[1], it.shape[3]) for it in self.session.get_inputs() if it.name.startswith("past")
        }

    def begin(self, batch: int) -> dict[str, Floats]:
        """The cache before the first token."""
        return {
            name: np.zeros((batch, heads, 0, channels), np.float32) for name, (heads, channels) in self.empty.items()
        }

    def advance(self, ids: ArrayLike, mask: ArrayLike, cache: dict[str, Floats]) -> tuple[Floats, dict[str, Floats]]:
        """Logits of new tokens `[batch, new]`, and the cache with them."""
        given = {"input_ids": np.asarray(ids, np.int64), "attention_mask": np.asarray(mask, np.int64)}
        logits, *present = self.session.run(None, {**given, **cache})
        return logits, dict(zip(cache, present, strict=True))

    def logits(self, ids: ArrayLike, parts: Sequence[int] = ()) -> Floats:
        """Logits of texts `[batch, position]`, read at once or in parts of these sizes."""
        ids = np.asarray(ids)
        cache, found, end = self.begin(len(ids)), [], 0
        for size in parts or (ids.shape[1],):
            start, end = end, end + size
            logits, cache = self.advance(ids[:, start:end], np.ones((len(ids), end)), cache)
            found.append(logits)
        return np.concatenate(found, 1)
