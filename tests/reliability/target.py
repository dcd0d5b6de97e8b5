"""A service process to attack, and how a good client fares beside the attack."""

import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import psutil

from tests.conftest import ROOT, free_port, wait_until_ready
from tests.reliability.attacks import Until, bodies
from tests.reliability.good_client import event

GOOD_CLIENT = Path(__file__).with_name("good_client.py")
MEBIBYTE = 1_048_576


@dataclass
class Outcome:
    """How a good client fared, in milliseconds, and what the service grew by, in MiB."""

    statuses: dict[str, int] = field(default_factory=dict)
    median: float = 0.0
    worst: float = 0.0
    grown: float = 0.0

    def is_unnoticed(self, usual: "Outcome") -> bool:
        """Compare with what a good client meets beside as many others who send good events."""
        return (
            self.statuses.keys() == {"202"}
            and self.median < 5 * usual.median + 50  # 61 at the most where usual was 9
            and self.grown < 40
        )


@dataclass
class Target:
    """A service in a process of its own."""

    url: str
    process: psutil.Process
    log: Path
    database: str

    def memory(self) -> float:
        """Measure the memory of the process, in MiB."""
        return float(self.process.memory_info().rss) / MEBIBYTE

    def under(
        self, attack: Callable[[str, Until], None], seconds: float = 1.5, times: int = 1
    ) -> Outcome:
        """Let a good client send while `times` attackers do what they do."""
        over = Event()
        attackers = [Thread(target=attack, args=(self.url, over.is_set)) for _ in range(times)]
        with self.watched() as outcome:
            for attacker in attackers:
                attacker.start()
            time.sleep(seconds)
        over.set()
        for attacker in attackers:
            attacker.join(15)
        return outcome

    def assert_unnoticed(self, attack: Callable[[str, Until], None], times: int = 1) -> None:
        """Attack, beside what is usual on this machine now; up to five times, for that varies."""
        for _ in range(5):
            usual = self.under(_send_good_events, times=4)
            outcome = self.under(attack, times=times)
            if outcome.is_unnoticed(usual):
                return
        raise AssertionError(f"{outcome}, usual is {usual}")

    @contextmanager
    def watched(self) -> Iterator[Outcome]:
        """Let a good client send for the block; the outcome is filled in at its end."""
        outcome, over = Outcome(), Event()
        watch = Thread(target=self._watch_memory, args=(outcome, over))
        watch.start()
        with subprocess.Popen(
            [sys.executable, GOOD_CLIENT, self.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as good:
            try:
                yield outcome
            finally:
                answer = json.loads(good.communicate("")[0])
                over.set()
                watch.join()
        outcome.statuses = answer["statuses"]
        outcome.median = statistics.median(answer["milliseconds"])
        outcome.worst = max(answer["milliseconds"])

    def _watch_memory(self, outcome: Outcome, over: Event) -> None:
        before = self.memory()
        while not over.wait(0.05):
            outcome.grown = max(outcome.grown, self.memory() - before)

    def assert_clean_log(self) -> None:
        """Look for what was not meant to happen, and for lines to fill a disk by."""
        lines = self.log.read_text().splitlines()
        assert [line for line in lines if "Traceback" in line or " ERROR " in line] == []
        assert len(lines) < 50, lines[:100]


def _send_good_events(url: str, until: Until) -> None:
    bodies(url, until, event().encode(), b"Content-Type: application/json")


@contextmanager
def running_target(
    mongodb_uri: str, folder: Path, environment: Mapping[str, str], descriptors: int = 0
) -> Iterator[Target]:
    """Run a service with two keys for writing, `good` and `attacker`, and a log in `folder`."""
    port = free_port()
    database = f"test_{uuid4().hex}"
    settings = {
        "FOOTFALL_MONGODB_URI": mongodb_uri,
        "FOOTFALL_DATABASE": database,
        "FOOTFALL_PORT": str(port),
        "FOOTFALL_GENERATOR_RATE": "0",
        "FOOTFALL_WRITE_KEYS": "good,attacker",
    }
    limits: dict[str, Any] = {}
    if descriptors:
        limits["preexec_fn"] = lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (descriptors, descriptors)
        )
    log = folder / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "functions"],
            cwd=ROOT,
            env={**os.environ, **settings, **environment},
            stderr=stderr,
            **limits,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process)
        yield Target(url, psutil.Process(process.pid), log, database)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
