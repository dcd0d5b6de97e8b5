"""Experiments with a replica set of three, whose primary is killed, or cut off by the network."""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from shared.storage.embedded_mongod import find_mongod
from shared.storage.processes import end_with_parent
from tests.doors.replica_set import NAME, Node, ReplicaSet, replica_set
from tests.reliability.experiments import RATE, WARM_UP, Rows, temporary_folder
from tests.reliability.load import Load
from tests.reliability.processes import ServiceProcess
from tests.reliability.verdict import PATIENCE, Row, impossible, judge

PORT: Final = 27017
AWAY: Final = 12.0  # seconds that the old primary is cut off
_NET: Final = f"10.213.{os.getpid() % 250}"
_SWITCH: Final = f"chaos{os.getpid()}s"
_OURS: Final = f"chaos{os.getpid()}"


class NamespaceNode(Node):
    """A node with a network of its own, whose cable can be pulled."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self.namespace = f"{_SWITCH}{number}"
        self.port = PORT
        self.address = f"{_NET}.{number}:{PORT}"
        self._folder = folder
        folder.mkdir()
        self.start()

    def start(self) -> None:
        """Start the process in its namespace."""
        self._process = subprocess.Popen(
            [
                *("ip", "netns", "exec", self.namespace),
                *(str(find_mongod()), "--dbpath", str(self._folder), "--port", str(PORT)),
                *("--bind_ip", f"{_NET}.{self.number}", "--nounixsocket"),
                *("--replSet", NAME, "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"),
            ],
            stdout=subprocess.DEVNULL,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call
        )

    def cut_off(self) -> None:
        """Pull the cable: what was sent is on its way for ever."""
        _ip("-n", _SWITCH, "link", "set", f"port{self.number}", "down")

    def connect(self) -> None:
        """Plug it in again."""
        _ip("-n", _SWITCH, "link", "set", f"port{self.number}", "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@contextlib.contextmanager
def networks(count: int) -> Iterator[None]:
    """Make namespaces that hang on a bridge, to which this one has a cable too.

    The bridge is in a namespace of its own: this one may have a firewall that lets none pass.
    """
    with contextlib.ExitStack() as made:
        _ip("netns", "add", _SWITCH)
        made.callback(_ip, "netns", "del", _SWITCH)
        _ip("-n", _SWITCH, "link", "add", "bridge", "type", "bridge")
        _ip("-n", _SWITCH, "link", "set", "bridge", "up")
        _ip("link", "add", _OURS, "type", "veth", "peer", "name", "port0", "netns", _SWITCH)
        made.callback(_ip, "link", "del", _OURS)
        _ip("addr", "add", f"{_NET}.254/24", "dev", _OURS)
        _ip("link", "set", _OURS, "up")
        _ip("-n", _SWITCH, "link", "set", "port0", "master", "bridge", "up")
        for number in range(1, count + 1):
            space, port = f"{_SWITCH}{number}", f"port{number}"
            _ip("netns", "add", space)
            made.callback(_ip, "netns", "del", space)
            _ip(
                *("-n", _SWITCH, "link", "add", port),
                *("type", "veth", "peer", "name", "eth0", "netns", space),
            )
            _ip("-n", _SWITCH, "link", "set", port, "master", "bridge", "up")
            _ip("-n", space, "addr", "add", f"{_NET}.{number}/24", "dev", "eth0")
            _ip("-n", space, "link", "set", "eth0", "up")
            _ip("-n", space, "link", "set", "lo", "up")
        yield


@contextlib.contextmanager
def separate_nodes(folder: Path) -> Iterator[ReplicaSet]:
    """Run three nodes, each in a network of its own."""
    with contextlib.ExitStack() as running:
        nodes: list[Node] = []
        for number in (1, 2, 3):
            nodes.append(NamespaceNode(folder / str(number), number))
            running.callback(nodes[-1].kill)
        together = ReplicaSet(nodes)
        together.initiate()
        with together.primary().client() as client:
            # A new primary waits for the heartbeats that are under way to all the others before it
            # takes writes: 10 s by default, which would hide what the service does.
            configuration = client.admin.command("replSetGetConfig")["config"]
            configuration["version"] += 1
            configuration["settings"]["heartbeatTimeoutSecs"] = 2
            client.admin.command("replSetReconfig", configuration)
        yield together


def killed_primary() -> Rows:
    """Kill the primary, and start it again when another has its place."""
    with temporary_folder() as folder, replica_set(folder) as nodes:
        yield _trial("the primary of three is killed", nodes, folder, _kill)


def cut_off_primary() -> Rows:
    """Cut the primary off by the network; it comes back with writes that nobody else has."""
    what = f"the primary of three is cut off, {AWAY:g} s"
    with temporary_folder() as folder, contextlib.ExitStack() as running:
        try:
            running.enter_context(networks(3))
        except (OSError, subprocess.CalledProcessError) as error:
            detail = getattr(error, "stderr", "") or str(error)
            yield impossible(what, f"no network namespaces ({detail.strip()})")
            return
        nodes = running.enter_context(separate_nodes(folder))
        yield _trial(what, nodes, folder, _cut_off)


def _kill(nodes: ReplicaSet, primary: Node) -> float:
    began = time.monotonic()
    primary.kill()
    nodes.primary(primary)
    elected = time.monotonic() - began
    primary.start()
    return elected


def _cut_off(nodes: ReplicaSet, primary: Node) -> float:
    assert isinstance(primary, NamespaceNode)
    primary.cut_off()
    try:
        began = time.monotonic()
        nodes.primary(primary)
        elected = time.monotonic() - began
        time.sleep(max(0.0, AWAY - elected))
    finally:
        primary.connect()
    return elected


def _trial(
    what: str, nodes: ReplicaSet, folder: Path, fault: Callable[[ReplicaSet, Node], float]
) -> Row:
    primary = nodes.primary()
    with (
        ServiceProcess(nodes.uri, folder / "service.log") as service,
        Load([service.url], what.replace(" ", "_"), RATE) as load,
    ):
        time.sleep(WARM_UP)
        began = time.time()
        elected = fault(nodes, primary)  # load goes on meanwhile, in its own thread
        load.wait_until_taken(began, PATIENCE)
        time.sleep(WARM_UP)
        load.stop()
        recovery = load.account.longest_gap()
        row = Row(what, note=f"another was primary after {elected:.1f} s")
        return judge(row, load.account, nodes.uri, service.url, recovery)
