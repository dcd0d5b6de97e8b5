"""A service started before its MongoDB: it waits, says so, and serves when that is there."""

import signal
import time
from pathlib import Path

import httpx

from tests.conftest import free_port, wait_until_ready
from tests.events import event
from tests.functions.test_main import started, words_of
from tests.mongod import running_mongod

RECOVERY = 15.0  # seconds


def test_a_service_that_starts_without_mongodb_waits_for_it(tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "data"
    with running_mongod() as mongod:
        mongod.stop()
        address = {"FOOTFALL_PORT": str(port), "FOOTFALL_MONGODB_URI": mongod.uri}
        with started(data, **address) as process:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
                wait_until_alive(http)
                ready = http.get("/readyz")
                assert (ready.status_code, ready.json()["detail"]) == (
                    503,
                    "MongoDB does not answer",
                )
                refused = http.post("/v1/events", json=event())
                assert refused.json()["type"].endswith("#storage-unavailable")
                mongod.start()
                came = time.monotonic()
                wait_until_ready(str(http.base_url), process)
                assert http.post("/v1/events", json=event()).status_code == 202
                assert time.monotonic() < came + RECOVERY
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
    assert "Traceback" not in words_of(data).read_text()


def wait_until_alive(http: httpx.Client) -> None:
    """Wait until the service listens and answers."""
    deadline = time.monotonic() + 30
    while True:
        try:
            assert http.get("/livez").status_code == 200
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return
