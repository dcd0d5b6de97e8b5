"""Three mongods that hold the same data, for tests that lose one of them."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.errors import AutoReconnect, PyMongoError

from shared.storage.embedded_mongod import find_mongod
from shared.storage.processes import end_with_parent
from tests.conftest import free_ports

NAME = "three"
_START_SECONDS = 60


@dataclass(frozen=True)
class Place:
    """Where a node listens, and the command that runs it there."""

    host: str
    port: int
    command: Sequence[str] = ()

    @property
    def address(self) -> str:
        """Return what others reach it by."""
        return f"{self.host}:{self.port}"


class Node:
    """One mongod at a place and on a folder of its own, which outlive its process."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.place = place
        self.address = place.address
        self._folder = folder
        folder.mkdir()
        self.start()

    def start(self) -> None:
        """Start the process."""
        self._process = subprocess.Popen(
            [
                *(*self.place.command, str(find_mongod()), "--dbpath", str(self._folder)),
                *("--bind_ip", self.place.host, "--port", str(self.place.port), "--nounixsocket"),
                *("--replSet", NAME, "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"),
            ],
            stdout=subprocess.DEVNULL,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call
        )

    def freeze(self) -> None:
        """Let it keep its connections and answer nothing, as a machine that hangs."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process, as a machine that is lost."""
        self._process.kill()
        self._process.wait()

    @contextlib.contextmanager
    def client(self) -> Iterator[pymongo.MongoClient[dict[str, Any]]]:
        """Connect to this node alone."""
        with pymongo.MongoClient[dict[str, Any]](
            self.address, directConnection=True, serverSelectionTimeoutMS=_START_SECONDS * 1000
        ) as client:
            yield client


class ReplicaSet:
    """Three nodes, of which one is the primary."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        addresses = ",".join(node.address for node in nodes)
        self.uri = f"mongodb://{addresses}/?replicaSet={NAME}"

    def initiate(self) -> None:
        """Make them a set whose elections take a second or two instead of ten.

        A new primary waits for the heartbeats that are under way to all the others before it takes
        writes: that too would be 10 s, and hide what the service does.
        """
        members = [{"_id": n, "host": node.address} for n, node in enumerate(self.nodes)]
        configuration = {
            "_id": NAME,
            "members": members,
            "settings": {
                "electionTimeoutMillis": 1500,
                "heartbeatIntervalMillis": 500,
                "heartbeatTimeoutSecs": 2,
            },
        }
        for node in reversed(self.nodes):  # they must all listen by then
            with node.client() as client:
                client.admin.command("ping")
        with self.nodes[0].client() as client:
            client.admin.command("replSetInitiate", configuration)

    def primary(self, other_than: Node | None = None) -> Node:
        """Wait for a primary that a majority has elected."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            for node in self.nodes:
                with contextlib.suppress(PyMongoError):
                    if node is not other_than and self._answers_as_primary(node):
                        return node
            time.sleep(0.1)
        return pytest.fail("no primary within a minute")

    def step_down(self) -> None:
        """Make the primary give its place to another node."""
        with self.primary().client() as client, contextlib.suppress(AutoReconnect):
            client.admin.command("replSetStepDown", 20, secondaryCatchUpPeriodSecs=5)

    @staticmethod
    def _answers_as_primary(node: Node) -> bool:
        with pymongo.MongoClient[dict[str, Any]](
            node.address, directConnection=True, serverSelectionTimeoutMS=500
        ) as client:
            return bool(client.admin.command("hello")["isWritablePrimary"])


@contextlib.contextmanager
def replica_set(folder: Path, places: Sequence[Place] = ()) -> Iterator[ReplicaSet]:
    """Run three nodes on folders below `folder`; without `places` on free ports of this machine."""
    places = places or [Place("127.0.0.1", port) for port in free_ports(3)]
    with contextlib.ExitStack() as running:
        nodes = []
        for number, place in enumerate(places, start=1):
            nodes.append(Node(folder / f"node{number}", place))
            running.callback(nodes[-1].kill)
        nodes_together = ReplicaSet(nodes)
        nodes_together.initiate()
        nodes_together.primary()
        yield nodes_together
