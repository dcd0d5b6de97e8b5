"""`python -m functions` as whoever starts it meets it: clear refusals, and a clean end."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conftest import ROOT, free_port, wait_until_ready
from tests.faults.test_workers import until_both_serve


@contextlib.contextmanager
def started(data: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start the service on a data folder, its words going to a file beside that.

    It is gone at the end, whatever happens, and every process of its own with it.
    """
    with words_of(data).open("wb") as words:
        process = subprocess.Popen(
            [sys.executable, "-m", "functions"],
            cwd=ROOT,
            env=os.environ
            | {
                "FOOTFALL_DATA_DIR": str(data),
                "FOOTFALL_PORT": str(free_port()),
                "FOOTFALL_MONGODB_URI": "",
                "FOOTFALL_GENERATOR_RATE": "0",
            }
            | environment,
            stderr=words,
            process_group=0,  # as a shell does: its Ctrl-C is for the whole group
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def words_of(data: Path) -> Path:
    return data.with_suffix(".stderr")


def refusal(data: Path, **environment: str) -> str:
    """Start a service that must refuse, and give its one line."""
    with started(data, **environment) as process:
        assert process.wait(30) == 1
    [line] = words_of(data).read_text().strip().splitlines()
    return line


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"FOOTFALL_PORT": "eighty"}, "FOOTFALL_PORT must be a whole number"),
        ({"FOOTFALL_HOST": "::"}, "FOOTFALL_ALLOW_ANONYMOUS=1"),
        ({"FOOTFALL_HOST": "shop.example"}, "FOOTFALL_ALLOW_ANONYMOUS=1"),
        (
            {"FOOTFALL_HOST": "::", "FOOTFALL_WRITE_KEYS": "w"},
            "FOOTFALL_READ_KEYS is not set",
        ),
        ({"PATH": "", "PYTHONNOUSERSITE": "1", "HIDE": "fiftyone"}, "FOOTFALL_MONGODB_URI"),
    ],
)
def test_a_start_that_cannot_be_is_one_clear_line(
    tmp_path: Path, environment: dict[str, str], told: str
) -> None:
    if "HIDE" in environment:  # a package of that name, without the mongod, stands first
        hidden = tmp_path / "fiftyone"
        hidden.mkdir()
        (hidden / "__init__.py").touch()
        environment = environment | {"PYTHONPATH": str(tmp_path)}
    assert told in refusal(tmp_path / "data", **environment)


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port}" in refusal(tmp_path / "data", FOOTFALL_PORT=port)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_every_process_and_first_the_generator(
    tmp_path: Path, number: signal.Signals, workers: int
) -> None:
    port, data = free_port(), tmp_path / "data"
    url = f"http://127.0.0.1:{port}"
    settings = {
        "FOOTFALL_GENERATOR_RATE": "500",
        "FOOTFALL_WRITE_KEYS": "a-key-that-the-generator-is-given",
        "FOOTFALL_WORKERS": str(workers),
    }
    with started(data, FOOTFALL_PORT=str(port), **settings) as process:
        wait_until_ready(url, process)
        if workers == 2:
            asyncio.run(until_both_serve(url))  # one that still starts shares our Ctrl-C
        deadline = time.monotonic() + 30
        while httpx.get(f"{url}/v1/metrics", timeout=30).json()["events"]["total"] < 5:
            assert time.monotonic() < deadline, "the generator's events do not arrive"
            time.sleep(0.2)
        family = psutil.Process(process.pid).children(recursive=True)
        assert {"mongod", "python"} <= {child.name().rstrip("0123456789.") for child in family}
        [generator] = [child for child in family if "generator" in child.cmdline()]
        generator.suspend()  # it is slower to stop than the server
        os.killpg(process.pid, number)
        time.sleep(1)  # the server would have closed its door after 0.2 s
        assert httpx.get(f"{url}/livez").status_code == 200
        generator.resume()
        assert process.wait(30) == 0
    words = words_of(data).read_text()
    assert "Traceback" not in words
    assert "not delivered: 0" in words
    assert not psutil.wait_procs(family, timeout=5)[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_service_leaves_no_process_and_loses_nothing(tmp_path: Path, workers: int) -> None:
    port, data = free_port(), tmp_path / "data"
    url = f"http://127.0.0.1:{port}"
    event = {
        "timestamp": "2024-03-15T14:30:00Z",
        "user_id": "u",
        "event_type": "page_view",
        "page_url": "/",
        "event_id": "kept",
    }
    with started(data, FOOTFALL_PORT=str(port), FOOTFALL_WORKERS=str(workers)) as process:
        wait_until_ready(url, process)
        assert httpx.post(f"{url}/v1/events", json=event).json()["accepted"] == 1
        assert "in use by process" in refusal(data)  # a rival leaves the first alone
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        assert not psutil.wait_procs(family, timeout=30)[1]

    with started(data, FOOTFALL_PORT=str(port)) as process:
        wait_until_ready(url, process)
        assert httpx.post(f"{url}/v1/events", json=event).json()["duplicate"] == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
