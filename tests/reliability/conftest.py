"""A service process to attack, with what it uses and what it logs."""

import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from tests.conftest import ROOT, free_port, wait_until_ready
from tests.reliability.attacks import Until, bodies
from tests.reliability.good_client import event

GOOD_CLIENT = Path(__file__).with_name("good_client.py")


@dataclass
class Outcome:
    """How a good client fared, in milliseconds, and what the service grew by, in MiB."""

    statuses: dict[str, int]
    median: float
    worst: float
    grown: float

    def assert_nobody_noticed(self, usual: "Outcome") -> None:
        """Compare with what a good client meets beside as many others who send good events."""
        assert self.statuses.keys() == {"202"}
        assert self.median < 5 * usual.median + 20
        assert self.grown < 40


@dataclass
class Target:
    """A service in a process of its own."""

    url: str
    process: psutil.Process
    log: Path
    database: str

    def memory(self) -> float:
        return float(self.process.memory_info().rss) / 1_048_576

    def under(
        self, attack: Callable[[str, Until], None] | None, seconds: float = 1.5, times: int = 1
    ) -> Outcome:
        """Let a good client send while `times` attackers do what they do."""
        over = Event()
        before = peak = self.memory()
        attackers = [
            Thread(target=attack, args=(self.url, over.is_set))
            for _ in range(times if attack else 0)
        ]
        for attacker in attackers:
            attacker.start()
        with subprocess.Popen(
            [sys.executable, GOOD_CLIENT, self.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as good:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                peak = max(peak, self.memory())
                time.sleep(0.05)
            answer = json.loads(good.communicate("")[0])
        over.set()
        for attacker in attackers:
            attacker.join(15)
        took = answer["milliseconds"]
        return Outcome(answer["statuses"], statistics.median(took), max(took), peak - before)

    def assert_clean_log(self) -> None:
        lines = self.log.read_text().splitlines()
        assert [line for line in lines if "Traceback" in line or " ERROR " in line] == []
        assert len(lines) < 50, lines[:100]


StartTarget = Callable[..., AbstractContextManager[Target]]


@pytest.fixture(scope="session")
def start_target(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> StartTarget:
    """Start services on the suite's mongod, with settings by keyword."""

    @contextmanager
    def start(descriptors: int = 0, **environment: str) -> Iterator[Target]:
        log = tmp_path_factory.mktemp("target") / "log"
        port = free_port()
        settings: dict[str, Any] = {
            "FOOTFALL_MONGODB_URI": mongodb_uri,
            "FOOTFALL_DATABASE": f"test_{uuid4().hex}",
            "FOOTFALL_PORT": str(port),
            "FOOTFALL_GENERATOR_RATE": "0",
            "FOOTFALL_WRITE_KEYS": "good,attacker",
        }

        def scarce() -> None:
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        with log.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "functions"],
                cwd=ROOT,
                env=os.environ | settings | environment,
                stderr=stderr,
                preexec_fn=scarce,  # noqa: PLW1509 - one system call, no threads yet
            )
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until_ready(url, process)
            yield Target(url, psutil.Process(process.pid), log, str(settings["FOOTFALL_DATABASE"]))
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0

    return start


@pytest.fixture(scope="module")
def target(start_target: StartTarget) -> Iterator[Target]:
    """Start a service with the default settings, for the tests of a module."""
    with start_target() as started:
        httpx.get(
            f"{started.url}/v1/metrics"
        )  # what a first read needs is not what an attack takes
        yield started


@pytest.fixture(scope="module")
def usual(target: Target) -> Outcome:
    """Measure how a good client fares beside four others, on this machine, as busy as it is."""

    def send(url: str, until: Until) -> None:
        bodies(url, until, event().encode(), b"Content-Type: application/json")

    return target.under(send, times=4)
