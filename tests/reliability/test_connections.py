"""What a client can do to a connection before anybody asks for its key."""

import contextlib
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial

import httpx
import pytest

from shared.http.protocol import HEAD_SECONDS, MAX_HEAD, MAX_PIPELINED
from tests.reliability import attacks
from tests.reliability.attacks import Until, connect, crowd, endless, wait
from tests.reliability.conftest import StartTarget
from tests.reliability.good_client import event
from tests.reliability.target import Target

GET = b"GET /livez HTTP/1.1\r\nHost: f\r\n"
CHUNKED = (
    b"POST /v1/events HTTP/1.1\r\nHost: f\r\nX-API-Key: attacker\r\n"
    b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.fixture(scope="module", autouse=True)
def half_a_request(target: Target) -> Iterator[tuple[socket.socket, float]]:
    """Begin a request before all other tests; its time is over when they are."""
    with connect(target.url) as connection:
        connection.sendall(GET)
        yield connection, time.monotonic()


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(partial(endless, start=GET, piece=b"a: b\r\n" * 10_000), id="headers"),
        pytest.param(partial(endless, start=GET + b"x: ", piece=b"y" * 65_536), id="a header"),
        pytest.param(partial(endless, start=b"GET /", piece=b"y" * 65_536), id="a URL"),
        pytest.param(partial(endless, start=b"", piece=b"\r\n" * 32_768), id="no request"),
        pytest.param(
            partial(endless, start=CHUNKED + b"0\r\n", piece=b"a: b\r\n" * 10_000), id="trailers"
        ),
        pytest.param(partial(endless, start=CHUNKED, piece=b"1\r\n \r\n" * 10_000), id="chunks"),
        pytest.param(attacks.pipeline, id="requests"),
    ],
)
def test_what_never_ends_costs_nobody_else(
    target: Target, attack: Callable[[str, Until], None]
) -> None:
    target.assert_unnoticed(attack)
    target.assert_clean_log()


def answers(connection: socket.socket) -> bytes:
    """Read until the connection ends."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65_536):
            received += part
    return received


def exchange(target: Target, request: bytes) -> bytes:
    with connect(target.url) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
        return answers(connection)


@pytest.mark.parametrize(
    ("request_bytes", "status", "tag"),
    [
        (b"nonsense\r\n\r\n", 400, "bad-request"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "bad-request"),
        (b"GET /\x00 HTTP/1.1\r\n\r\n", 400, "bad-request"),
        (b"GET http://[ HTTP/1.1\r\n\r\n", 400, "bad-request"),
        (b"CONNECT a:b HTTP/1.1\r\n\r\n", 400, "bad-request"),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "bad-request"),
        (CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\n"), 400, "bad-request"),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400, "bad-request"),
        (CHUNKED + b"zz\r\n", 400, "bad-request"),
        (CHUNKED + b"1\r\nx\r\n" * 5000, 413, "too-large"),
        (GET + b"x: " + b"y" * MAX_HEAD + b"\r\n\r\n", 431, "head-too-large"),
        (GET + b"x: " + b"y" * 200_000, 431, "head-too-large"),
    ],
)  # fmt: skip
def test_what_is_no_request_gets_the_one_error_shape_and_no_line(
    target: Target, request_bytes: bytes, status: int, tag: str
) -> None:
    before = target.log.read_text()
    head, _, body = exchange(target, request_bytes).partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0].startswith(f"http/1.1 {status} ")
    assert "content-type: application/problem+json" in lines
    assert "connection: close" in lines
    assert any(line.startswith("x-request-id: ") for line in lines)
    problem = json.loads(body)
    assert (problem["type"], problem["status"]) == (f"/docs#{tag}", status)
    assert target.log.read_text() == before


def test_a_head_of_16_kib_is_served(target: Target) -> None:
    assert httpx.get(f"{target.url}/livez", headers={"X": "y" * 16_000}).status_code == 200


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


def test_answers_that_are_owed_come_before_a_refusal(target: Target) -> None:
    received = exchange(target, (GET + b"\r\n") * 3 + b"nonsense\r\n\r\n")
    assert statuses(received) == [200, 200, 200, 400]


def test_a_few_requests_may_be_sent_ahead(target: Target) -> None:
    received = exchange(target, (GET + b"\r\n") * 1000)
    assert statuses(received) == [200] * (MAX_PIPELINED + 1) + [429]


def test_trailers_are_no_headers(target: Target) -> None:
    received = exchange(
        target,
        b"POST /v1/events HTTP/1.1\r\nHost: f\r\nX-API-Key: attacker\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Type: application/json\r\n\r\n",
    )
    assert received.startswith(b"HTTP/1.1 415 ")


def test_half_requests_shut_nobody_out(start_target: StartTarget) -> None:
    def half(url: str, until: Until) -> None:
        with crowd(url, 300, GET):
            wait(until)

    with start_target(descriptors=256) as target:
        outcome = target.under(half)
        assert outcome.statuses.keys() <= {"202", "RemoteDisconnected", "ConnectionResetError"}
        assert outcome.statuses["202"] > 0.9 * sum(outcome.statuses.values())
        told = [
            line for line in target.log.read_text().splitlines() if "connections are open" in line
        ]
        assert 1 <= len(told) <= 5


def test_answers_that_nobody_reads_are_given_up(target: Target) -> None:
    large = json.loads(event()) | {"properties": {f"p{n}": "y" * 512 for n in range(20)}}
    sent = httpx.post(
        f"{target.url}/v1/events", json=[large] * 90, headers={"X-API-Key": "attacker"}
    )
    assert sent.status_code == 202
    answer = httpx.get(f"{target.url}/v1/events?limit=200", headers={"Accept-Encoding": "identity"})
    assert len(answer.content) > 900_000
    before = target.memory()
    read = b"GET /v1/events?limit=200 HTTP/1.1\r\nHost: f\r\n\r\n"
    with crowd(target.url, 150, read * 2, receive_buffer=4096) as made:
        assert made == 150
        assert httpx.get(f"{target.url}/livez").status_code == 200
        time.sleep(1)
        assert target.memory() - before < 150
    assert httpx.get(f"{target.url}/livez").status_code == 200
    target.assert_clean_log()


def test_a_head_has_its_time(half_a_request: tuple[socket.socket, float]) -> None:
    connection, began = half_a_request
    connection.settimeout(max(1, began + HEAD_SECONDS + 2 - time.monotonic()))
    assert answers(connection) == b""
