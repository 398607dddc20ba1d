"""Ctrl-C and its kind as a question that the training loop asks between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Asked = Callable[[], int]

# SIGHUP: the terminal's window was closed; Windows has none
_STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def stop_signals(second_is_final: bool = True) -> Iterator[Asked]:
    """Give a function that tells which signal asked to stop, 0 as long as none did.

    A second Ctrl-C raises `KeyboardInterrupt` at once. Launchers of several processes repeat the signal themselves:
    for them `second_is_final=False`. Signals that this process was told to ignore stay ignored (nohup).
    """
    received: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        if received and number == signal.SIGINT and second_is_final:
            raise KeyboardInterrupt
        received.append(number)

    def asked() -> int:
        return received[0] if received else 0

    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield asked
        return
    watched = [number for number in _STOPPING if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, remember) for number in watched}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
