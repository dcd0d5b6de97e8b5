"""Requests of every wrong shape, generated and hand-made, against a service process.

`python -m tests.reliability.hostile --requests 20000` is the long part: it prints what was
answered, and exits with 1 where an answer, the log, the memory or a good client's wait is not as
promised. The tests run a few of the same.
"""

import argparse
import json
import random
import re
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from shared.storage.embedded_mongod import embedded_mongod
from tests.reliability.target import Outcome, Target, running_target
from tests.reliability.wrong_requests import CORPUS, KEY, MARKER, POSTS, RAW, READS

UNLIMITED = {
    "FOOTFALL_RATE_LIMIT": "1000000/second",
    "FOOTFALL_TOTAL_RATE_LIMIT": "1000000/second",
    "FOOTFALL_WRITE_KEYS": f"good,{KEY}",
}
DELIBERATE = {"overloaded", "storage-unavailable", "not-ready", "too-many-reads", "rebuilding"}


@dataclass
class Trial:
    """What was answered, and what was not as promised."""

    answers: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def check(self, request: bytes, received: bytes, *, whole: bool) -> None:
        """Book the answers to a request."""
        if not received:
            self.answers["no answer: more was to come"] += 1
            if whole:
                self._broke("no answer", request, received)
        while received:
            head, _, rest = received.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            status = int(lines[0].split()[1])
            headers = dict(line.lower().split(": ", 1) for line in lines[1:])
            length = int(headers.get("content-length", 0))
            bodiless = request.startswith(b"HEAD") or status in {100, 304}
            body, received = (b"", rest) if bodiless else (rest[:length], rest[length:])
            if status == 100:
                continue
            kind = str(status)
            if status >= 400 and body:
                kind = f"{status} {self._problem(request, status, headers, body)}"
            self.answers[kind] += 1
            if b"Traceback" in body or KEY.encode() in body:
                self._broke("an answer tells too much", request, body)
            if "x-content-type-options" not in headers or "x-request-id" not in headers:
                self._broke("a header is missing", request, head)

    def _problem(self, request: bytes, status: int, headers: dict[str, str], body: bytes) -> str:
        if headers.get("content-type") != "application/problem+json":
            return self._broke(f"{status} is no problem document", request, body)
        problem = json.loads(body)
        if problem["status"] != status or not {"type", "title", "detail"} <= problem.keys():
            return self._broke(f"{status} has another shape", request, body)
        tag = str(problem["type"]).removeprefix("/docs#")
        if status >= 500 and (status != 503 or tag not in DELIBERATE):
            return self._broke(f"{status} is not deliberate", request, body)
        return tag

    def _broke(self, promise: str, request: bytes, found: bytes) -> str:
        self.broken.append(f"{promise}: {request[:300]!r} -> {found[:300]!r}")
        return promise


class Sender:
    """Sends requests: those that are framed on one connection, each of the others on its own."""

    def __init__(self, target: Target, trial: Trial) -> None:
        self._address = urlsplit(target.url)
        self._trial = trial
        self._open: socket.socket | None = None

    def send(self, request: bytes, *, whole: bool) -> None:
        """Send a request and book its answer. One that is not `whole` may get none."""
        kept, self._open = (self._open, None) if whole else (None, self._open)
        connection = kept or self._connect()
        received = b""
        with suppress(ConnectionError, TimeoutError):
            connection.settimeout(10 if whole else 0.05)
            connection.sendall(request)
            while not (whole and _is_complete(request, received)):
                part = connection.recv(65_536)
                if not part:
                    break
                received += part
        self._trial.check(request, received, whole=whole)
        if whole and received and b"connection: close" not in received.lower():
            self._open = connection
        else:
            connection.close()

    def close(self) -> None:
        """Close what is open."""
        if self._open:
            self._open.close()

    def _connect(self) -> socket.socket:
        return socket.create_connection((self._address.hostname, self._address.port))


def _is_complete(request: bytes, received: bytes) -> bool:
    received = re.sub(rb"^HTTP/1.1 100 Continue\r\n\r\n", b"", received)
    head, end, body = received.partition(b"\r\n\r\n")
    if not end or request.startswith(b"HEAD") or b" 304 " in head[:20]:
        return bool(end)
    length = re.search(rb"content-length: (\d+)", head)
    return length is not None and len(body) >= int(length[1])


def attack(target: Target, requests: int, first: int) -> Trial:
    """Send so many requests, a fifth of them raw, and the corpus; book the answers."""
    trial = Trial()
    sender = Sender(target, trial)
    for raw in CORPUS:
        sender.send(raw, whole=False)
    _each(POSTS, partial(sender.send, whole=True), requests * 5 // 10, first)
    _each(READS, partial(sender.send, whole=True), requests * 3 // 10, first)
    _each(RAW, partial(sender.send, whole=False), requests * 2 // 10, first)
    sender.close()
    return trial


def _each(
    strategy: st.SearchStrategy[bytes], send: Callable[[bytes], None], count: int, first: int
) -> None:
    @seed(first)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def each(request: bytes) -> None:
        send(request)

    each()


def broken_promises(target: Target, trial: Trial, outcome: Outcome, usual: Outcome) -> list[str]:
    """List what was not as promised, in one line each."""
    found = list(trial.broken)
    log = target.log.read_text()
    told = (MARKER, "Traceback", " ERROR ")
    found += [f"the log has {text!r}" for text in told if text in log]
    if not outcome.is_unnoticed(usual):
        found.append(f"a good client noticed: {outcome}, usual is {usual}")
    return found


def main() -> None:
    """Run the long part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_mongod(Path(folder) / "data") as uri,
        running_target(uri, Path(folder), environment=UNLIMITED) as target,
    ):
        with target.watched() as usual:
            attack(target, 300, 0)
        with target.watched() as outcome:
            trial = attack(target, options.requests, options.seed)
        found = broken_promises(target, trial, outcome, usual)
        lines = len(target.log.read_text().splitlines())
    print(f"{trial.answers.total()} answers, seed {options.seed}")
    for kind, count in sorted(trial.answers.items()):
        print(f"| {kind} | {count} |")
    print(
        f"a good client: median {outcome.median:.1f} ms beside {usual.median:.1f}, worst "
        f"{outcome.worst:.0f}; memory {outcome.grown:+.0f} MiB; {lines} lines in the log"
    )
    for line in found:
        print(f"broken: {line}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
