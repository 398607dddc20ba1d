"""What goes wrong as one line for the user: what it is, and what to do."""

from __future__ import annotations

import errno

from kqv.errors import Error
from kqv.files import reason

SIGNALLED = 128  # exit statuses above it say which signal stopped a command, as shells have it
INTERRUPTED = SIGNALLED + 2  # Ctrl-C


class CommandError(Error):
    """An error with an exit status of its own."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class Terminated(BaseException):
    """A signal asks to end, as Ctrl-C does by `KeyboardInterrupt`: what is half done is removed on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = SIGNALLED + number


def out_of_memory(failure: BaseException) -> bool:
    """Whether the memory of the computer or of its GPU was not enough."""
    if isinstance(failure, MemoryError) or type(failure).__name__ == "OutOfMemoryError":
        return True
    if isinstance(failure, OSError):
        return failure.errno == errno.ENOMEM
    return isinstance(failure, RuntimeError) and "allocate memory" in str(failure)


def peer_ended(failure: BaseException) -> bool:
    """Whether another of the processes that train together is gone."""
    network = type(failure).__name__ in ("DistBackendError", "DistNetworkError", "DistStoreError")
    return network or (isinstance(failure, RuntimeError) and "gloo/transport" in str(failure))


def explained(failure: BaseException) -> CommandError | None:
    """The failure in one line with its exit status; None for what is our mistake, and needs its traceback."""
    if isinstance(failure, Error):
        return CommandError(str(failure), getattr(failure, "status", 1))
    if isinstance(failure, KeyboardInterrupt):
        return CommandError("stopped", INTERRUPTED)
    if isinstance(failure, Terminated):
        return CommandError("stopped", failure.status)
    if out_of_memory(failure):
        return CommandError("not enough memory: close other programs, or take a smaller recipe or less data")
    if peer_ended(failure):
        return CommandError("another of the processes that train together has ended; see what it says")
    if isinstance(failure, OSError):
        return CommandError(f"{failure.filename or 'cannot write the output'}: {reason(failure)}")
    return None
