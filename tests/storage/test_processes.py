"""Ending the processes that the service starts."""

import signal
import subprocess
import sys

from shared.storage.processes import stop

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


def test_what_does_not_end_when_asked_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        stop(process, patience=0.1)
    assert process.returncode == -signal.SIGKILL
