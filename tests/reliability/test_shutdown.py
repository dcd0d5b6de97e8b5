"""A service that is told to stop, and what is on its way to it."""

import contextlib
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from shared.deadlines import CLOSE, LAST_READ, WRITE
from tests.mongod import running_mongod
from tests.reliability.attacks import connect
from tests.reliability.processes import ServiceProcess
from tests.reliability.verdict import MARGIN

GET = b"GET /livez HTTP/1.1\r\nHost: f\r\n\r\n"


def test_a_request_on_its_way_to_an_idle_connection_is_the_last_and_answered(
    mongodb_uri: str, tmp_path: Path
) -> None:
    with ServiceProcess(mongodb_uri, tmp_path / "log") as service:
        with connect(service.url) as connection:
            connection.sendall(GET)
            assert b"connection: close" not in answer_on(connection)
            assert service.process
            service.process.terminate()
            wait_until_refused(service.url)
            connection.sendall(GET)  # sent before the client could know
            answer = answer_on(connection)
            assert answer.startswith(b"http/1.1 200")
            assert b"connection: close" in answer
            assert connection.recv(1) == b""
        assert service.process.wait(10) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_read_that_mongodb_holds_up_does_not_hold_up_the_stop(
    tmp_path: Path, workers: str
) -> None:
    with (
        running_mongod(tmp_path / "mongod") as mongod,
        ServiceProcess(mongod.uri, tmp_path / "log", FOOTFALL_WORKERS=workers) as service,
        connect(service.url) as connection,
    ):
        mongod.freeze()
        connection.sendall(GET.replace(b"/livez", b"/v1/events"))
        wait_until_asked(service)
        took, status = service.stop()
        mongod.thaw()
        answer = answer_on(connection)
        assert answer.startswith(b"http/1.1 503")
        assert b"retry-after" in answer
        assert b"the service is being stopped" in answer
        assert (took < LAST_READ + WRITE + CLOSE + MARGIN, status) == (True, 0)
        assert "Traceback" not in service.log.read_text()


def answer_on(connection: socket.socket) -> bytes:
    """Read one answer, which may come in parts."""
    answer = b""
    while not answer.endswith(b"}"):
        part = connection.recv(65_536)
        if not part:
            break
        answer += part
    return answer.lower()


def wait_until_asked(service: ServiceProcess) -> None:
    """Wait until the service has a request: it answers what is asked for later."""
    for _ in range(3):
        assert httpx.get(f"{service.url}/livez", trust_env=False).status_code == 200


def wait_until_refused(url: str) -> None:
    """Wait until nobody listens any more."""
    address = urlsplit(url)
    deadline = time.monotonic() + 10
    with contextlib.suppress(ConnectionRefusedError):
        while time.monotonic() < deadline:
            socket.create_connection((address.hostname, address.port or 0), timeout=5).close()
            time.sleep(0.01)
        raise AssertionError("the service still listens")
