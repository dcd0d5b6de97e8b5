"""Experiments with one mongod: kill, freeze and fill up, under load, and count."""

import contextlib
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import psutil
import pymongo
from pymongo.errors import PyMongoError

from tests.mongod import Mongod, running_mongod
from tests.reliability.load import Load
from tests.reliability.processes import ServiceProcess
from tests.reliability.verdict import PATIENCE, Row, impossible, judge

RATE: Final = 500.0  # events a second
WARM_UP: Final = 1.5  # seconds of load before a fault, and after it
KILLED: Final = ("service", "mongod", "both")
LENGTHS: Final = (1.0, 8.0, 40.0)  # seconds
FREEZES: Final = [(who, length) for length in LENGTHS for who in ("mongod", "service")]
DISK: Final = 320  # MiB; an empty mongod takes about 210 of it, its journal most
FULL: Final = 8.0  # seconds without space
DYING: Final = 5.0  # seconds that a mongod may take to end by it

Rows = Iterator[Row]


@dataclass
class Rig:
    """A mongod and a service on it, both processes of their own."""

    mongod: Mongod
    service: ServiceProcess
    folder: Path

    def mongod_is_alive(self) -> bool:
        """Return whether the mongod of this folder runs."""
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if (
                    str(self.folder) in " ".join(child.cmdline())
                    and "--dbpath" in child.cmdline()
                    and child.status() != psutil.STATUS_ZOMBIE
                ):
                    return True
        return False


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder whose path is short enough for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        yield Path(name)


@contextlib.contextmanager
def rig(folder: Path | None = None) -> Iterator[Rig]:
    """Run a mongod on `folder`, or on one of its own, and a service on it."""
    with contextlib.ExitStack() as running:
        logs = running.enter_context(temporary_folder())
        data = folder or running.enter_context(temporary_folder())
        mongod = running.enter_context(running_mongod(data))
        service = running.enter_context(ServiceProcess(mongod.uri, logs / "service.log"))
        yield Rig(mongod, service, data)


def trial(
    what: str,
    on: Rig,
    fault: Callable[[Rig, Row], float],
    frozen: float = 0.0,
    before: float = WARM_UP,
    rate: float = RATE,
) -> Row:
    """Let a fault happen under load; `fault` returns when it was over, by which recovery counts."""
    row = Row(what)
    with Load([on.service.url], f"{what} {time.time():.3f}".replace(" ", "_"), rate) as load:
        time.sleep(before)
        over = fault(on, row)
        taken = load.wait_until_taken(over, PATIENCE)
        time.sleep(WARM_UP)
    recovery = None if taken is None else taken - over
    return judge(row, load.account, on.mongod.uri, on.service.url, recovery, frozen)


def kill(on: Rig, row: Row) -> float:
    """Kill what the row names, and start it at once; the fault is over as it begins."""
    began = time.time()
    if "mongod" in row.what or "both" in row.what:
        if "both" in row.what:
            on.service.kill()
        on.mongod.kill()
        on.mongod.start()
        if "both" in row.what:
            on.service.start()
    else:
        on.service.kill()
        on.service.start()
    return began


def kills(times: int, seed: int, latest: float = 4.0) -> Rows:
    """Kill the service, mongod, or both in turn, at random moments."""
    chance = random.Random(seed)
    for group in range(0, times, len(KILLED) * 2):  # a new rig, so that brute force stays quick
        with rig() as on:
            for number in range(group, min(group + len(KILLED) * 2, times)):
                what = f"kill -9 {KILLED[number % len(KILLED)]}, {number + 1} of {times}"
                yield trial(what, on, kill, before=chance.uniform(0.5, latest))


def freezes(cases: Sequence[tuple[str, float]] = FREEZES) -> Rows:
    """Stop mongod or the service for so many seconds each, and let it go on."""
    with rig() as on:
        for who, length in cases:
            frozen = 0.0 if who == "mongod" else length
            yield trial(f"SIGSTOP {who}, {length:g} s", on, partial(_freeze, who, length), frozen)


def _freeze(who: str, length: float, on: Rig, _row: Row) -> float:
    process = on.mongod if who == "mongod" else on.service
    process.freeze()
    time.sleep(length)
    process.thaw()
    return time.time()


def full_disk() -> Rows:
    """Leave MongoDB no space for a while. Where it ends by that, somebody starts it again."""
    what = f"MongoDB's disk full, {FULL:g} s"
    with temporary_folder() as mount:
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", str(mount)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            yield impossible(what, f"no tmpfs can be mounted ({error})")
            return
        try:
            with rig(mount) as on:
                yield trial(what, on, _fill_up)
        finally:
            subprocess.run(["umount", "--lazy", str(mount)], check=True)


def _fill_up(on: Rig, row: Row) -> float:
    ballast = on.folder / "ballast"
    with ballast.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 20))
            file.flush()
    until = time.monotonic() + FULL
    while time.monotonic() < until:
        # Writes find room in the journal until MongoDB's next checkpoint, which is due every minute
        _ask_for_checkpoint(on.mongod.uri)
        time.sleep(0.5)
    ballast.unlink()
    over = time.time()
    row.note = "mongod stayed up;"
    while time.time() < over + DYING:
        if not on.mongod_is_alive():
            row.note = "mongod ended, and was started again;"
            on.mongod.stop()
            on.mongod.start()
            break
        time.sleep(0.1)
    return over


def _ask_for_checkpoint(uri: str) -> None:
    with (
        contextlib.suppress(PyMongoError),
        pymongo.MongoClient[Any](uri, serverSelectionTimeoutMS=500, socketTimeoutMS=2000) as client,
    ):
        client.admin.command("fsync")
