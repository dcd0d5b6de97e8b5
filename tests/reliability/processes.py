"""The service as a process that is killed, frozen, stopped and started again on the same port."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Final, Self

from shared.storage.processes import end_with_parent
from tests.conftest import ROOT, free_port, wait_until_ready

UNLIMITED: Final = "100000000/second"
STOP_SECONDS: Final = 30.0


class ServiceProcess:
    """`python -m functions` on a MongoDB that is elsewhere; its log is a file."""

    def __init__(self, mongodb_uri: str, log: Path, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._environment = {
            "FOOTFALL_MONGODB_URI": mongodb_uri,
            "FOOTFALL_PORT": str(self.port),
            "FOOTFALL_GENERATOR_RATE": "0",
            "FOOTFALL_RATE_LIMIT": UNLIMITED,
            "FOOTFALL_TOTAL_RATE_LIMIT": UNLIMITED,
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        self.wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.thaw()
            self.stop()

    def start(self) -> None:
        """Start it, and do not wait."""
        log: IO[bytes]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "functions"],
                cwd=ROOT,
                env=os.environ | self._environment,
                stderr=log,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call
            )

    def wait_until_ready(self) -> None:
        """Poll `/readyz`."""
        wait_until_ready(self.url, self._running)

    def kill(self) -> None:
        """End it as a power failure would."""
        self._running.kill()
        self._running.wait()

    def freeze(self) -> None:
        """Let it hold its connections and do nothing."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on, in the middle of what it did."""
        self._running.send_signal(signal.SIGCONT)

    def stop(self) -> tuple[float, int]:
        """Ask it to end; return the seconds that it took, and its exit status."""
        began = time.monotonic()
        self._running.terminate()
        try:
            status = self._running.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            status = -signal.SIGKILL
        return time.monotonic() - began, status

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process
        return self.process
