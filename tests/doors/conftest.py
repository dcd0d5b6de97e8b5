"""The doors: the router under uvicorn, the handlers behind a gateway, and AWS's own runtime."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.conftest import ROOT, running_service
from tests.doors.exchange import SETTINGS, Answer, Door, Request
from tests.doors.gateway import FUNCTIONS, SCHEDULED, Gateway, Invoke
from tests.doors.runtime_api import Lambda
from tests.replica_set import ReplicaSet, replica_set


def http_door(url: str) -> Door:
    """Send requests to a server, each over a connection of its own."""
    address = urlsplit(url).netloc

    def send(request: Request) -> Answer:
        connection = http.client.HTTPConnection(address, timeout=30)
        with contextlib.closing(connection):
            body: Any = request.body if request.length_told else iter([request.body])
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused half-way
                connection.request(request.method, request.target, body, dict(request.headers))
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())

    return send


def settings_for(uri: str) -> dict[str, str]:
    """Return the settings of a service with a database of its own."""
    return SETTINGS | {"FOOTFALL_MONGODB_URI": uri, "FOOTFALL_DATABASE": f"test_{uuid4().hex}"}


@contextlib.contextmanager
def router_door(uri: str) -> Iterator[Door]:
    """Open the router under uvicorn, a process of its own."""
    with running_service(**settings_for(uri)) as url:
        yield http_door(url)


@contextlib.contextmanager
def handlers(uri: str) -> Iterator[Invoke]:
    """Run all handlers in one process and on one loop. A warning there is an error."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.doors.handlers"],
        cwd=ROOT,
        env=os.environ | settings_for(uri),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    lines_in, lines_out = process.stdin, process.stdout

    def invoke(function: str, event: dict[str, Any]) -> Any:
        lines_in.write(json.dumps([FUNCTIONS[function]["handler"], event]) + "\n")
        lines_in.flush()
        return json.loads(lines_out.readline())

    with process:
        yield invoke
        process.stdin.close()
        assert process.wait(30) == 0


@contextlib.contextmanager
def environments(uri: str) -> Iterator[Invoke]:
    """Run each function in an environment of its own, under AWS's runtime client."""
    with contextlib.closing(Lambda(settings_for(uri))) as functions:
        yield functions.invoke


@contextlib.contextmanager
def handlers_door(uri: str) -> Iterator[Door]:
    """Open the handlers, behind a gateway. The schedule makes the indexes."""
    with handlers(uri) as invoke:
        invoke("rollup", SCHEDULED)
        yield Gateway(invoke)


@contextlib.contextmanager
def lambda_door(uri: str) -> Iterator[Door]:
    """Open the functions under AWS's runtime client, behind a gateway."""
    with environments(uri) as invoke:
        invoke("rollup", SCHEDULED)
        yield Gateway(invoke)


@pytest.fixture(scope="session")
def three_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Run a replica set of three nodes."""
    with replica_set(tmp_path_factory.mktemp("replica-set")) as nodes:
        yield nodes


DOORS: dict[str, Callable[[str], contextlib.AbstractContextManager[Door]]] = {
    "router": router_door,
    "handlers": handlers_door,
    "lambda": lambda_door,
}


@pytest.fixture(scope="session", params=[*DOORS, "router on three nodes"])
def door(request: pytest.FixtureRequest, mongodb_uri: str) -> Iterator[Door]:
    """Open each door in turn."""
    if request.param in DOORS:
        with DOORS[request.param](mongodb_uri) as opened:
            yield opened
    else:
        nodes: ReplicaSet = request.getfixturevalue("three_nodes")
        with router_door(nodes.uri) as opened:
            yield opened
