"""The locks of a store: a cell is trained by whoever holds it, and by nobody else meanwhile.

`RESULTS/.locks/<id>.lock` is empty and is locked by the operating system (flock) as long as whoever holds it lives;
it stays, since removing one that another process tries would give two of them the lock. `<id>.holder` beside it says
whose it is (`holder.Holder`) and is written anew every `BEAT` seconds.

On one machine the lock alone decides: a holder that was killed holds nothing. Some shared file systems know locks
within a machine only. So a holder on another machine counts until its line has stood still for `GONE` seconds, by the
watch of whoever waits: no two machines' clocks are compared, and a clock that is set back changes nothing.
"""

import contextlib
import errno
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from discbench.results.forms.records import unwritten
from discbench.results.locks.holder import FOLDER, GONE, Holder, device_words, line_of, machine, read_holder
from discbench.values.cells import Cell
from discbench.values.measurement import Measurement
from discbench.words import parts

BEAT = 10.0
"""Seconds between two lines of a holder."""
WAIT = 0.05, 1.0
"""Seconds between two tries of whoever waits, at first and at most."""
SPARE = 96
"""Bytes by which a line may grow, so that it is always written over in one piece."""
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""How file systems say that they have no hard links."""


class Hold:
    """A cell or a measurement that is this process's, until it is released or the process ends.

    Args:
        lock: Its lock, which is ours.
        path: Where its line is written.
        holder: What the line says.

    Raises:
        FileExistsError: Another machine has just taken it.
    """

    def __init__(self, lock: BaseFileLock, path: Path, holder: Holder) -> None:
        self._lock, self._path, self.holder = lock, path, holder
        text = line_of(holder)
        self._size = len(text) + SPARE
        self._handle = _written(path, text.ljust(self._size))
        self._over = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True, name=f"holds {holder.id}")
        self._beating.start()

    def tell(self, step: int, steps: int, loss: float) -> None:
        """Take note of how far training is, for the next line."""
        self.holder = replace(self.holder, step=step, steps=steps, loss=loss if abs(loss) < float("inf") else None)

    def release(self) -> None:
        """Give it up."""
        self._over.set()
        self._beating.join()
        with contextlib.suppress(OSError):  # the store may be gone
            if os.path.samestat(os.fstat(self._handle), self._path.stat()):
                self._path.unlink()
        os.close(self._handle)
        self._lock.release()

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            self.holder = replace(self.holder, beat=self.holder.beat + 1)
            text = line_of(self.holder).ljust(self._size)
            with contextlib.suppress(OSError):  # a disk that comes back; else the cell's result tells
                if len(text) == self._size:
                    os.pwrite(self._handle, text, 0)


class Holds:
    """The locks of a store.

    Args:
        root: The store's directory.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER
        self._seen: dict[str, tuple[bytes, float]] = {}

    def holder(self, of: Cell | Measurement) -> Holder | None:
        """Return whose line is there, whether or not its writer is alive."""
        return read_holder(self._path(of))

    def unread(self, of: Cell | Measurement) -> bool:
        """Tell whether a file without a line lies in the place of its holder's, as a failing machine leaves it."""
        return self._path(of).exists() and self.holder(of) is None

    def take(self, of: Cell | Measurement, device: str = "cpu") -> Hold | None:
        """Return the hold of a cell or a measurement, or None at once where it is another's.

        Raises:
            StoreError: Its files cannot be made: the disk is read-only, or a folder lies in their place.
        """
        lock = self._locked(of)
        if lock is None:
            return None
        try:
            if self._left(of):
                return Hold(lock, self._path(of), _told(of, device))
        except FileExistsError:
            pass
        except OSError as error:
            lock.release()
            raise unwritten(self._path(of), error) from error
        except BaseException:
            lock.release()
            raise
        lock.release()
        return None

    def free(self, of: Cell | Measurement) -> bool:
        """Tell whether nobody holds it; the line of a holder that is gone is removed. Ask again and again to know."""
        lock = self._locked(of)
        if lock is None:
            return False
        try:
            return self._left(of)
        finally:
            lock.release()

    @contextmanager
    def waited(self, of: Cell | Measurement, device: str = "cpu") -> Iterator[Hold]:
        """Hold it in the block, as soon as nobody else does."""
        pause, most = WAIT
        while (hold := self.take(of, device)) is None:
            time.sleep(pause)
            pause = min(2 * pause, most)
        try:
            yield hold
        finally:
            hold.release()

    def _path(self, of: Cell | Measurement) -> Path:
        return self.folder / f"{of.id}.holder"

    def _locked(self, of: Cell | Measurement) -> BaseFileLock | None:
        path = self.folder / f"{of.id}.lock"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            lock.acquire(blocking=False)
        except Timeout:
            return None
        except OSError as error:
            raise unwritten(path, error) from error
        return lock

    def _left(self, of: Cell | Measurement) -> bool:
        """Tell, the lock being ours, whether nobody's line is there, or one who is gone left it: it is removed then."""
        path = self._path(of)
        try:
            said = path.read_bytes()
        except FileNotFoundError:
            return True
        holder = read_holder(path)
        if holder is None or holder.machine != machine():
            before, since = self._seen.get(of.id, (None, 0.0))
            if said != before:
                self._seen[of.id] = said, time.monotonic()
                return False
            if time.monotonic() - since < GONE:
                return False
        path.unlink(missing_ok=True)
        return True


def _told(of: Cell | Measurement, device: str) -> Holder:
    return Holder(
        id=of.id,
        kind="cell" if isinstance(of, Cell) else "probe",
        record=of.record,
        host=socket.gethostname(),
        machine=machine(),
        pid=os.getpid(),
        began=round(time.time(), 3),
        device=device_words(device),
        token=secrets.token_hex(8),
    )


def _written(path: Path, text: bytes) -> int:
    """Write a file that must not be there yet, whole or not at all; return it open.

    Raises:
        FileExistsError: It is there: another machine was first.
        OSError: It cannot be written.
    """
    handle, part = parts.begun(path.parent)
    try:
        _fill(handle, text)
        os.link(part, path)
    except OSError as error:
        os.close(handle)
        if error.errno not in NO_LINKS:
            raise
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        _fill(handle, text)
    finally:
        Path(part).unlink(missing_ok=True)
    return handle


def _fill(handle: int, text: bytes) -> None:
    os.fchmod(handle, 0o644)  # mkstemp makes files that only their owner reads
    if os.write(handle, text) < len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
