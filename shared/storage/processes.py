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
    """Exit this process without waiting for threads; everything is closed already.

    A driver thread may wait for a hung MongoDB until `deadlines.SOCKET`, even after its operation
    has timed out.
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
