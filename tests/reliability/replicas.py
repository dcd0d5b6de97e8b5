"""Experiments with a replica set of three, whose primary is killed, or cut off by the network."""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tests.reliability.experiments import RATE, WARM_UP, Rows, temporary_folder
from tests.reliability.load import Load
from tests.reliability.processes import ServiceProcess
from tests.reliability.verdict import PATIENCE, Row, impossible, judge
from tests.replica_set import Node, Place, ReplicaSet, replica_set

PORT: Final = 27017
AWAY: Final = 12.0  # seconds that the old primary is cut off
_NET: Final = f"10.213.{os.getpid() % 250}"
_SWITCH: Final = f"chaos{os.getpid()}s"
_OURS: Final = f"chaos{os.getpid()}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@contextlib.contextmanager
def networks(count: int) -> Iterator[list[Place]]:
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
        places = []
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
            places.append(Place(f"{_NET}.{number}", PORT, ("ip", "netns", "exec", space)))
        yield places


def killed_primary() -> Rows:
    """Kill the primary, and start it again when another has its place."""
    with temporary_folder() as folder, replica_set(folder) as nodes:
        yield _trial("the primary of three is killed", nodes, folder, _kill)


def cut_off_primary() -> Rows:
    """Cut the primary off by the network; it comes back with writes that nobody else has."""
    what = f"the primary of three is cut off, {AWAY:g} s"
    with temporary_folder() as folder, contextlib.ExitStack() as running:
        try:
            places = running.enter_context(networks(3))
        except (OSError, subprocess.CalledProcessError) as error:
            detail = getattr(error, "stderr", "") or str(error)
            yield impossible(what, f"no network namespaces ({detail.strip()})")
            return
        nodes = running.enter_context(replica_set(folder, places))
        yield _trial(what, nodes, folder, _cut_off)


def _kill(nodes: ReplicaSet, primary: Node) -> float:
    began = time.monotonic()
    primary.kill()
    nodes.primary(primary)
    elected = time.monotonic() - began
    primary.start()
    return elected


def _cut_off(nodes: ReplicaSet, primary: Node) -> float:
    """Pull the primary's cable, so that what was sent is on its way for ever; plug it in again."""
    cable = f"port{nodes.nodes.index(primary) + 1}"
    _ip("-n", _SWITCH, "link", "set", cable, "down")
    try:
        began = time.monotonic()
        nodes.primary(primary)
        elected = time.monotonic() - began
        time.sleep(max(0.0, AWAY - elected))
    finally:
        _ip("-n", _SWITCH, "link", "set", cable, "up")
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
