"""What the measurements share: servers to measure, a cheap client, processor time, tables."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

UNLIMITED = {
    "FOOTFALL_RATE_LIMIT": "100000000/second",
    "FOOTFALL_TOTAL_RATE_LIMIT": "100000000/second",
}


@dataclass(frozen=True)
class Server:
    """A running server and all of its processes."""

    url: str
    process: psutil.Process

    def processor_seconds(self) -> dict[str, float]:
        """Return the processor time used so far by process name."""
        seconds: dict[str, float] = {}
        for process in [self.process, *self.process.children(recursive=True)]:
            times = process.cpu_times()
            name = "mongod" if "mongod" in process.name() else "service"
            seconds[name] = seconds.get(name, 0.0) + times.user + times.system
        return seconds

    def resident_megabytes(self) -> float:
        """Return the memory of the service's first process."""
        return float(self.process.memory_info().rss) / 1_048_576


@contextlib.contextmanager
def footfall(**environment: str) -> Iterator[Server]:
    """Run the service with an embedded mongod on an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "functions"]
        quiet = {"FOOTFALL_MONGODB_URI": "", "FOOTFALL_GENERATOR_RATE": "0"}
        data = {"FOOTFALL_DATA_DIR": folder}
        with _running(command, quiet | data | UNLIMITED | environment, "/readyz") as server:
            yield server


@contextlib.contextmanager
def bare_endpoint() -> Iterator[Server]:
    """Run an endpoint that reads the body and answers 202, under the same uvicorn."""
    with _running([sys.executable, "-m", "bench.bare"], {}, "/livez") as server:
        yield server


@contextlib.contextmanager
def _running(command: list[str], environment: dict[str, str], ready: str) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Path(os.devnull).open("wb") as nothing:
        process = subprocess.Popen(
            command, env=os.environ | environment | {"FOOTFALL_PORT": str(port)}, stderr=nothing
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url + ready, process)
        yield Server(url, psutil.Process(process.pid))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            sys.exit("bench: a server ended before it was ready")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url).close()  # noqa: S310 - our own address
            return
        time.sleep(0.1)
    sys.exit("bench: a server was not ready within a minute")


def event() -> dict[str, str]:
    """Make an event of now."""
    return {
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "user_id": "usr_789",
        "event_type": "page_view",
        "page_url": "/products/electronics",
        "session_id": "sess_456",
    }


@dataclass(frozen=True)
class Load:
    """What a client saw."""

    requests_per_second: float
    failures: int


def post(url: str, body: object, connections: int, seconds: int) -> Load:
    """Post one body over and over, as fast as the connections allow, with wrk."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(
            'wrk.method = "POST"\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
            f"wrk.body = [==[{json.dumps(body)}]==]\n"
        )
        out = subprocess.run(
            [
                *(_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script)),
                f"{url}/v1/events",
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", out)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if not rate:
        sys.exit(f"bench: wrk said nothing of use: {out}")
    return Load(float(rate[1]), int(failed[1]) if failed else 0)


def _wrk() -> str:
    """Find wrk, or install it from Debian where that is allowed."""
    if not shutil.which("wrk") and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "wrk"], check=False)
    found = shutil.which("wrk")
    if not found:
        sys.exit("bench: wrk is needed (Debian's package wrk)")
    return found


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header), flush=True)
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)
