"""Experiments with services that stop, start, and whose clock is off."""

import os
import signal
import time
from pathlib import Path
from typing import Final

import httpx

from shared.deadlines import GRACE
from tests.mongod import running_mongod
from tests.reliability.experiments import LENGTHS, RATE, WARM_UP, Rows, rig, temporary_folder
from tests.reliability.load import Load
from tests.reliability.processes import ServiceProcess
from tests.reliability.verdict import MARGIN, PATIENCE, STOP_BOUND, Row, impossible, judge

FAKETIME: Final = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketime.so.1")
OFF: Final = 10  # seconds
ABSENT: Final = 5.0  # seconds of load before MongoDB is there
# What a client that sends again may meet while one of two is restarted.
REFUSED: Final = {"202", "503", "ConnectError"}


def clock_off() -> Rows:
    """Put the clock of one of two services ten seconds ahead, then behind, and right again.

    It must refuse by itself, whoever asks it; clients pass by the other one.
    """
    if not FAKETIME.exists():
        yield impossible(f"one clock {OFF} s off", "libfaketime is not installed")
        return
    for offset in (f"+{OFF}", f"-{OFF}"):
        row = Row(f"one of two clocks {offset} s off")
        with temporary_folder() as folder, running_mongod(folder / "data") as mongod:
            dial = folder / "dial"
            dial.write_text("+0")
            shifted = {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(dial),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
            with (
                ServiceProcess(mongod.uri, folder / "right.log") as right,
                ServiceProcess(mongod.uri, folder / "off.log", **shifted) as off,
                Load([right.url, off.url], row.what.replace(" ", "_"), RATE) as load,
            ):
                time.sleep(WARM_UP)
                dial.write_text(offset)
                time.sleep(8)  # more than from one measurement to the next
                began = time.time()
                answer = httpx.get(f"{off.url}/readyz", trust_env=False, timeout=30)
                said = answer.status_code == 503 and "clock" in answer.json()["detail"]
                refused = load.account.answers["503 clock-skew"]
                row.require("said on /readyz", holds=said)
                dial.write_text("+0")
                off.wait_until_ready()
                recovery = time.time() - began
                time.sleep(WARM_UP)
                load.stop()
                row.note = f"{answer.json().get('detail', '')}; {refused} refused;"
                yield judge(row, load.account, mongod.uri, right.url, recovery)


def one_of_two_frozen() -> Rows:
    """Stop one of two services, in the middle of writes and ticks, while the other one goes on."""
    with (
        temporary_folder() as folder,
        running_mongod(folder / "data") as mongod,
        ServiceProcess(mongod.uri, folder / "one.log") as one,
        ServiceProcess(mongod.uri, folder / "two.log") as two,
    ):
        for length in LENGTHS:
            row = Row(f"SIGSTOP one of two services, {length:g} s")
            with Load([one.url, two.url], row.what.replace(" ", "_"), RATE) as load:
                time.sleep(WARM_UP)
                one.freeze()
                time.sleep(length)
                one.thaw()
                over = time.time()
                taken = load.wait_until_taken(over, PATIENCE)
                time.sleep(WARM_UP)
                load.stop()
                recovery = None if taken is None else taken - over
                yield judge(row, load.account, mongod.uri, two.url, recovery, frozen=length)


def stopped_under_load() -> Rows:
    """Ask the service to end under load, while MongoDB answers and while it does not."""
    yield _stopped("SIGTERM under load", STOP_BOUND)
    yield _stopped("SIGTERM while mongod is frozen", GRACE + MARGIN, hangs=True)


def _stopped(what: str, bound: float, *, hangs: bool = False) -> Row:
    row = Row(what)
    with rig() as on, Load([on.service.url], what.replace(" ", "_"), RATE) as load:
        time.sleep(WARM_UP)
        if hangs:
            on.mongod.freeze()
            time.sleep(1)
        took, status = on.service.stop()
        on.mongod.thaw()
        row.require("ends in time", holds=took < bound)
        row.require("ends with status 0", holds=status == 0)
        row.note = f"ended in {took:.1f} s with status {status};"
        began = time.time()
        on.service.start()
        taken = load.wait_until_taken(began, PATIENCE)
        time.sleep(WARM_UP)
        load.stop()
        recovery = None if taken is None else taken - began
        return judge(row, load.account, on.mongod.uri, on.service.url, recovery)


def rolling() -> Rows:
    """Restart two services one after the other; clients that send again notice nothing else."""
    row = Row("rolling restart of two services")
    with (
        temporary_folder() as folder,
        running_mongod(folder / "data") as mongod,
        ServiceProcess(mongod.uri, folder / "one.log") as one,
        ServiceProcess(mongod.uri, folder / "two.log") as two,
        Load([one.url, two.url], "rolling", RATE) as load,
    ):
        time.sleep(WARM_UP)
        for service in (one, two):
            took, status = service.stop()
            row.require("ends in time", holds=took < STOP_BOUND)
            row.require("ends with status 0", holds=status == 0)
            row.note += f"ended in {took:.1f} s;"
            service.start()
            service.wait_until_ready()
            time.sleep(WARM_UP)
        load.stop()
        yield _only_refused(judge(row, load.account, mongod.uri, one.url, _gap(load)), load)


def workers() -> Rows:
    """Restart the two workers of one service, by SIGHUP."""
    row = Row("rolling restart of two workers")
    with (
        temporary_folder() as folder,
        running_mongod(folder / "data") as mongod,
        ServiceProcess(mongod.uri, folder / "log", FOOTFALL_WORKERS="2") as service,
        Load([service.url], "workers", RATE) as load,
    ):
        time.sleep(WARM_UP)
        assert service.process
        service.process.send_signal(signal.SIGHUP)
        time.sleep(15)
        row.require("goes on", holds=service.process.poll() is None)
        load.stop()
        yield _only_refused(judge(row, load.account, mongod.uri, service.url, _gap(load)), load)


def started_before_mongodb() -> Rows:
    """Start the service, with clients, before its MongoDB."""
    row = Row("started before MongoDB")
    with temporary_folder() as folder, running_mongod(folder / "data") as mongod:
        mongod.stop()
        service = ServiceProcess(mongod.uri, folder / "log")
        service.start()
        try:
            with Load([service.url], "absent", RATE) as load:
                time.sleep(ABSENT)
                answer = httpx.get(f"{service.url}/readyz", trust_env=False, timeout=30)
                detail = answer.json()["detail"]
                row.require("said on /readyz", holds=answer.status_code == 503)
                row.note = f"{detail};"
                mongod.start()
                began = time.time()
                service.wait_until_ready()
                taken = load.wait_until_taken(began, PATIENCE)
                time.sleep(WARM_UP)
                load.stop()
                recovery = None if taken is None else taken - began
                yield judge(row, load.account, mongod.uri, service.url, recovery)
        finally:
            service.stop()


def _gap(load: Load) -> float:
    return load.account.longest_gap()


def _only_refused(row: Row, load: Load) -> Row:
    others = {a for a in load.account.answers if a.partition(" ")[0] not in REFUSED}
    met = {a: n for a, n in load.account.answers.items() if a != "202"}
    row.require(f"a client met {', '.join(sorted(others))}", holds=not others)
    row.note += f" met {met}"
    return row
