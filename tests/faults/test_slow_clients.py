"""Clients that send large bodies and never finish them."""

import contextlib
import json
import select
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from shared.ingest.body import MAX_BODY, MAX_READING, UNCOUNTED
from tests.conftest import running_service

CROWD = 200
HELD_AT_MOST = MAX_READING // (MAX_BODY - UNCOUNTED - 1) + 1  # bodies that fit in the budget


@pytest.fixture(scope="module")
def service(mongodb_uri: str) -> Iterator[tuple[str, psutil.Process]]:
    before = set(psutil.Process().children())
    with running_service(
        FOOTFALL_MONGODB_URI=mongodb_uri,
        FOOTFALL_DATABASE="test_slow_clients",
        FOOTFALL_RATE_LIMIT="1000000/second",  # all of the crowd has one address
        FOOTFALL_TOTAL_RATE_LIMIT="1000000/second",
    ) as url:
        [process] = set(psutil.Process().children()) - before
        yield url, process


def test_bodies_that_never_end_fill_no_memory_and_shut_nobody_out(
    service: tuple[str, psutil.Process],
) -> None:
    url, process = service
    before = process.memory_info().rss
    with contextlib.ExitStack() as connections:
        crowd = [connections.enter_context(unfinished(url)) for _ in range(CROWD)]
        refused = answers_of(crowd, CROWD - HELD_AT_MOST)
        grown = process.memory_info().rss - before
        for answer in refused:
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"retry-after: 1" in answer.lower()
        assert grown < MAX_READING + CROWD * 3 * UNCOUNTED
        assert httpx.post(f"{url}/v1/events", json=event()).status_code == 202
        assert post_megabyte(url) == 503
    deadline = time.monotonic() + 5
    while post_megabyte(url) != 202:
        assert time.monotonic() < deadline, "what was held is not given back"


@contextlib.contextmanager
def unfinished(url: str) -> Iterator[socket.socket]:
    """Open a connection and send all of a body but its last byte."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/events HTTP/1.1\r\nHost: footfall\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % MAX_BODY
        )
        with contextlib.suppress(ConnectionError):  # refused before it was sent
            connection.sendall(b" " * (MAX_BODY - 1))
        yield connection


def answers_of(crowd: list[socket.socket], at_least: int) -> list[bytes]:
    """Wait until so many have their answer; return what was answered."""
    answers: list[bytes] = []
    waiting = set(crowd)
    deadline = time.monotonic() + 30
    while len(answers) < at_least:
        assert time.monotonic() < deadline, f"{len(answers)} of {at_least} are answered"
        for connection in select.select(waiting, [], [], 0.1)[0]:
            waiting.remove(connection)
            with contextlib.suppress(ConnectionError):
                answers += filter(None, [connection.recv(4096)])
    return answers


def event() -> dict[str, str]:
    return {
        "timestamp": datetime.now(UTC).isoformat(),
        "user_id": "u",
        "event_type": "page_view",
        "page_url": "/",
    }


def post_megabyte(url: str) -> int:
    body = json.dumps([event()]).encode().ljust(MAX_BODY)
    return httpx.post(
        f"{url}/v1/events", content=body, headers={"Content-Type": "application/json"}
    ).status_code
