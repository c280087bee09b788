"""How a command ends when a signal asks it to: one line on stderr, and the exit code that shells give that signal.

And how the processes that it starts end with it. The standard library only, and little of it: this is imported before
all else. Without effect where discbench is called from Python, whose own KeyboardInterrupt is raised there.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
GRACE = 1.0
"""Seconds that a command may take to end by itself; one that is in a long call of C, or lost the signal, is ended."""
ONE = 0.1
"""Seconds within which signals are one: `timeout` sends its own twice, to the process and to its group."""
CLEARED = b"\r\x1b[K\x1b[?25h"
"""What a terminal is told: the line that holds `^C` is empty, and the cursor, which a live view hides, is there."""
AGAIN = "run the same command again"
GO_ON = "run the same command to go on"
Kept = Callable[[], str]


class Interrupted(BaseException):
    """A signal asked the command to end. No `Exception` and no KeyboardInterrupt: libraries catch both.

    Args:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Command:
    """This process while it is a command: what it would keep, and whether it is ending."""

    def __init__(self) -> None:
        self.kept: Kept | None = None
        self.first: int | None = None
        """The first signal, once Python has told of it."""
        self.over = False
        """Whether all work is done, so that nothing is left to be cleaned up."""
        self.told = False

    def listen(self) -> None:
        """Take the signals; one that is ignored, as under `nohup`, stays so."""
        sys.excepthook, self.usual = self._uncaught, sys.excepthook
        sys.unraisablehook, self.lost = self._unraisable, sys.unraisablehook
        atexit.register(self._last)
        ours, theirs = os.pipe()
        os.set_blocking(theirs, False)
        signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
        for name in NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._asked)
        threading.Thread(target=self._watch, args=(ours,), daemon=True, name="signals").start()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        if self.over:
            self.end_now(number)
        if self.first is None:
            self.first = number
            raise Interrupted(number)

    def _watch(self, ours: int) -> None:
        """End the process where the main thread does not, or a second signal says at once."""
        known = {int(getattr(signal, name)) for name in NAMES if hasattr(signal, name)}
        number = next(byte for byte in iter(lambda: os.read(ours, 1)[0], None) if byte in known)
        until = time.monotonic() + GRACE
        time.sleep(ONE)
        os.set_blocking(ours, False)
        with contextlib.suppress(BlockingIOError):
            os.read(ours, 100)
        while time.monotonic() < until:
            time.sleep(ONE / 2)
            with contextlib.suppress(BlockingIOError):
                if known & set(os.read(ours, 100)):
                    break
        self.end_now(number)

    def say(self, number: int) -> None:
        """Print the line, once."""
        if self.told or (os.environ.get("WORLD_SIZE", "1") != "1" and os.environ.get("RANK", "0") != "0"):
            return  # of torchrun's processes the first tells
        self.told = True
        try:
            kept = self.kept() if self.kept is not None else ""
        except Exception:  # noqa: BLE001 - nothing may keep a command from ending
            kept = ""
        how = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
        line = f"{how}: {kept}; {GO_ON}\n" if kept else f"{how}; {AGAIN}\n"
        with contextlib.suppress(OSError, ValueError):  # a terminal that was closed
            sys.stderr.flush()
            if sys.stderr.isatty():
                os.write(2, CLEARED)
            os.write(2, line.encode(errors="backslashreplace"))

    def end_now(self, number: int) -> NoReturn:
        """End the process without another line of Python; whatever it started ends with it."""
        self.say(number)
        os._exit(128 + number)

    def _uncaught(self, kind: type[BaseException], error: BaseException, trace: Any) -> None:  # noqa: ANN401
        if isinstance(error, Interrupted):
            self.end_now(error.number)
        self.usual(kind, error, trace)

    def _unraisable(self, unraisable: Any) -> None:  # noqa: ANN401 - it came up where none can be raised: `_watch` ends
        if not isinstance(unraisable.exc_value, Interrupted):
            self.lost(unraisable)

    def _last(self) -> None:
        """Leave after all that was registered later; taking the interpreter apart is half a second more."""
        if self.first is not None:
            os._exit(128 + self.first)

    def _forget(self) -> None:
        """Be an ordinary process again: a copy, as pools make them, has neither our thread nor our line to say."""
        atexit.unregister(self._last)
        signal.set_wakeup_fd(-1)
        for name in NAMES:
            if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == self._asked:
                signal.signal(getattr(signal, name), signal.SIG_DFL)


COMMAND = Command()
"""Of this process: signals are the process's, too."""


@contextlib.contextmanager
def ends_in_one_line() -> Iterator[None]:
    """Make signals end the block with one line and exit code 128 + the signal's number: 130, 143, 129."""
    COMMAND.listen()
    try:
        yield
    except Interrupted as error:
        COMMAND.say(error.number)
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        sys.exit(128 + error.number)
    finally:
        COMMAND.over = True


def keeps(kept: Kept) -> None:
    """Say from now on what is kept if the command is interrupted.

    Args:
        kept: Returns words like `3 of 4 cells are finished and kept in results`.
    """
    COMMAND.kept = kept


def share(done: int, of: int, things: str, where: object) -> str:
    """Return `3 of 4 cells are finished and kept in results`."""
    return f"{done} of {of} {things} {'is' if done == 1 else 'are'} finished and kept in {where}"


def follow() -> None:
    """End this process when the one that wanted it is gone, even in a long call; Ctrl-C is for that one."""
    import multiprocessing
    from multiprocessing import connection

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    pipe = parent.sentinel  # nothing is ever read from it: it closes with the parent
    if sys.platform == "win32":
        threading.Thread(target=lambda: connection.wait([pipe]) and os._exit(1), daemon=True).start()
        return
    import fcntl

    # SIGIO ends a process that does not handle it, without Python's lock: a thread would wait for that
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if connection.wait([pipe], 0):
        os._exit(1)
