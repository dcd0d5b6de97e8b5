"""Processes that this one started: none outlives it, none is waited for without end."""

import ctypes
import os
import signal
import subprocess
import sys
from typing import Final, NoReturn

_PR_SET_PDEATHSIG: Final = 1


def end_with_parent() -> None:
    """Ask the kernel to stop this process when its parent dies, where it can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def end_at_once(status: int) -> NoReturn:
    """End this process, which has closed all it had.

    Python would wait for its threads first, and a thread of the driver waits for a MongoDB that
    hangs until `deadlines.SOCKET` is over, whoever has given up the answer.
    """
    os._exit(status)


def stop(process: subprocess.Popen[bytes], patience: float) -> None:
    """Ask a process to end, and kill it if it has not ended after `patience` seconds."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
