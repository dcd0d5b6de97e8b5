"""Programs that a test needs and the machine lacks, out of Debian's packages."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def on_path(names: Sequence[str]) -> str | None:
    """Return the path of the first of these programs that is there."""
    return next((found for name in names if (found := shutil.which(name))), None)


@contextmanager
def fetching() -> Iterator[None]:
    """Let one process of the suite fetch programs at a time: apt-get fails beside another.

    What the others have waited for may be there by then.
    """
    lock = Path(tempfile.gettempdir()) / f"footfall-{os.getuid()}-fetching"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install(package: str) -> None:
    """Install a package, as root, where there is apt-get; who calls sees whether that worked."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ([apt, "update"], [apt, "install", "-y", "--no-install-recommends", package]):
        subprocess.run(command, env=environment, check=False, capture_output=True)
