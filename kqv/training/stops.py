"""How a training ends before its last step."""

from __future__ import annotations

from kqv.errors import Error


class Stopped(Error):  # noqa: N818 - to be stopped by the user is no error
    """Training ended before its last step; the run directory holds the state of step `saved`."""

    def __init__(self, message: str, saved: int) -> None:
        super().__init__(message)
        self.saved = saved


class Interrupted(Stopped):
    """Training was stopped by the user; everything is saved. `signal` says by which."""

    def __init__(self, message: str, saved: int, signal: int) -> None:
        super().__init__(message, saved)
        self.signal = signal


class Diverged(Stopped):
    """The loss or the weights are no longer numbers; the last good state is kept."""


class Unsaved(Stopped):
    """A file of the run could not be written; the state before is kept."""


class Lost(Stopped):
    """The run's folder was moved or removed; the message says what is where."""
