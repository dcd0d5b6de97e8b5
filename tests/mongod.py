"""A mongod that tests stop, kill, freeze and slow down while a service writes to it."""

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from shared.storage.embedded_mongod import embedded_mongod


class Mongod:
    """A real mongod on a folder of its own; every start finds the files of the last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = contextlib.ExitStack()
        self.uri = ""

    def start(self) -> None:
        """Start it, at the same address as before; by the main thread, for it ends with that."""
        uri = self._running.enter_context(embedded_mongod(self._folder))
        assert self.uri in {"", uri}
        self.uri = uri
        self._process = next(
            child
            for child in psutil.Process().children()
            if str(self._folder) in " ".join(child.cmdline())
        )

    def stop(self) -> None:
        """Stop it cleanly."""
        self._running.close()

    def kill(self) -> None:
        """End it as a power failure would."""
        self._process.kill()
        self._running.close()

    def freeze(self) -> None:
        """Let it hold its connections and answer nothing; return once each thread has stopped."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        """Let it go on, with what it was in the middle of."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process.send_signal(signal.SIGCONT)

    def crawl(self, seconds: float) -> None:
        """Run at a tenth of its speed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.freeze()
            time.sleep(0.9)
            self.thaw()
            time.sleep(0.1)


@contextlib.contextmanager
def running_mongod(folder: Path | None = None) -> Iterator[Mongod]:
    """Run a mongod for the block, and stop it then, frozen or not.

    It runs on `folder`, or on one of its own, whose path is short enough for a socket in it: so
    the address stays the same when it is started again.
    """
    with contextlib.ExitStack() as running:
        if folder is None:
            own = tempfile.TemporaryDirectory(prefix="footfall-")
            folder = Path(running.enter_context(own))
        mongod = Mongod(folder)
        running.callback(mongod.stop)
        running.callback(mongod.thaw)
        mongod.start()
        yield mongod
