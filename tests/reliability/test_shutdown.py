"""A service that is told to stop, and what is on its way to it."""

import contextlib
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.reliability.attacks import connect
from tests.reliability.processes import ServiceProcess

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


def answer_on(connection: socket.socket) -> bytes:
    """Read one answer, which may come in parts."""
    answer = b""
    while not answer.endswith(b"}"):
        part = connection.recv(65_536)
        if not part:
            break
        answer += part
    return answer.lower()


def wait_until_refused(url: str) -> None:
    """Wait until nobody listens any more."""
    address = urlsplit(url)
    deadline = time.monotonic() + 10
    with contextlib.suppress(ConnectionRefusedError):
        while time.monotonic() < deadline:
            socket.create_connection((address.hostname, address.port or 0), timeout=5).close()
            time.sleep(0.01)
        raise AssertionError("the service still listens")
