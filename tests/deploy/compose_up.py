"""`docker compose up` for real: `make test-compose` builds the image, starts and breaks things.

The name keeps this file out of `make test`, because it needs a Docker daemon and the base images.
"""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]


def compose_command() -> list[str]:
    """Compose v2 where it is installed, else docker-compose."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if plugin.returncode == 0:
        return ["docker", "compose"]
    if not shutil.which("docker-compose"):
        pytest.fail("neither `docker compose` nor docker-compose is installed")
    return ["docker-compose"]


class Stack:
    """One project of containers, on a port of its own."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.project = f"footfall-test-{os.getpid()}"
        self.command = [*compose_command(), "-p", self.project]
        # BuildKit cannot build on base images that exist only on this machine's old builder.
        self.environment = os.environ | {
            "DOCKER_BUILDKIT": "0",
            "FOOTFALL_PORT": str(port),
            "FOOTFALL_GENERATOR_RATE": "0",
        }
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)

    def compose(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def container(self, service: str) -> str:
        return self.compose("ps", "--all", "--quiet", service).strip()

    def inspect(self, service: str) -> dict[str, Any]:
        text = subprocess.check_output(["docker", "inspect", self.container(service)], text=True)
        document: dict[str, Any] = json.loads(text)[0]
        return document

    def in_service(self, service: str, *command: str) -> str:
        return self.compose("exec", "-T", service, *command)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                if self.http.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.5)
        pytest.fail(self.compose("logs"))

    def send(self, ids: list[str]) -> dict[str, Any]:
        """Send one page view for each id, again and again until the service has taken them all."""
        now = datetime.now(UTC).isoformat()
        events = [
            {
                "event_id": it,
                "timestamp": now,
                "user_id": it,
                "event_type": "page_view",
                "page_url": "/compose",
            }
            for it in ids
        ]
        deadline = time.monotonic() + 120
        while True:
            try:
                answer = self.http.post("/v1/events", json=events)
            except httpx.TransportError:
                pass
            else:
                if answer.status_code == 202:
                    receipt: dict[str, Any] = answer.json()
                    return receipt
                assert answer.status_code in {429, 503}, answer.text
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def active_users(self) -> int:
        count: int = self.http.get("/v1/metrics/active-users").json()["active_users"]["count"]
        return count


def new_ids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    running = Stack()
    try:
        running.compose("up", "--build", "-d")
        running.wait_until_ready()
        yield running
    finally:
        running.http.close()
        running.compose("down", "--volumes", "--remove-orphans")


def test_the_dashboard_and_the_api_answer(stack: Stack) -> None:
    assert "text/html" in stack.http.get("/").headers["content-type"]
    ids = new_ids(100)
    assert stack.send(ids)["accepted"] == 100
    assert stack.send(ids)["duplicate"] == 100


def test_only_the_service_is_published_and_on_loopback_only(stack: Stack) -> None:
    for service in ("mongodb", "footfall"):
        bindings = stack.inspect(service)["HostConfig"]["PortBindings"] or {}
        addresses = [it["HostIp"] for port in bindings.values() for it in port]
        assert addresses == (["127.0.0.1"] if service == "footfall" else [])


def test_the_service_can_change_nothing_on_its_machine(stack: Stack) -> None:
    document = stack.inspect("footfall")
    host = document["HostConfig"]
    assert document["Config"]["User"] == "10001:10001"
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0
    assert host["NanoCpus"] > 0
    status = stack.in_service("footfall", "cat", "/proc/1/status")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_the_password_is_shown_nowhere_and_asked_for(stack: Stack) -> None:
    uri = stack.in_service("footfall", "cat", "/run/footfall/mongodb-uri").strip()
    password = uri.partition("@")[0].rpartition(":")[2]
    assert len(password) == 48
    shown = stack.compose("logs") + stack.compose("config")
    shown += "".join(json.dumps(stack.inspect(it)) for it in ("mongodb", "footfall"))
    shown += subprocess.check_output(
        ["docker", "top", stack.container("mongodb"), "aux"], text=True
    )
    assert password not in shown
    ask = (
        "import pymongo; print(pymongo.MongoClient('mongodb://mongodb').footfall.events.find_one())"
    )
    refused = subprocess.run(
        ["docker", "exec", stack.container("footfall"), "python", "-c", ask],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode != 0
    assert "requires authentication" in refused.stderr


def test_nothing_acknowledged_is_lost_when_mongodb_restarts(stack: Stack) -> None:
    before = stack.active_users()
    acknowledged: list[str] = []
    stop = threading.Event()

    def keep_sending() -> None:
        while not stop.is_set():
            ids = new_ids(50)
            stack.send(ids)
            acknowledged.extend(ids)
            time.sleep(0.05)

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        time.sleep(1)
        stack.compose("restart", "mongodb")
        stack.compose("kill", "-s", "KILL", "mongodb")
        stack.compose("start", "mongodb")
        stack.wait_until_ready()
        time.sleep(1)
    finally:
        stop.set()
        sender.join()
    assert len(acknowledged) >= 100
    assert stack.active_users() == before + len(acknowledged)
    for first in range(0, len(acknowledged), 1000):
        again = acknowledged[first : first + 1000]
        assert stack.send(again)["duplicate"] == len(again)


def test_the_service_stops_in_good_order_and_finds_its_data_again(stack: Stack) -> None:
    before = stack.active_users()
    stack.compose("stop", "footfall")
    state = stack.inspect("footfall")["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
    stack.compose("up", "-d")
    stack.wait_until_ready()
    assert stack.active_users() == before
