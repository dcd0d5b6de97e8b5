"""The suite against a server of yours, as FOOTFALL_TEST_MONGODB_URI names it."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo

from shared.storage.embedded_mongod import find_mongod
from shared.storage.processes import end_with_parent, stop
from tests.conftest import ROOT, free_port

SUITE = [
    "tests/functions/test_rollup.py",
    "tests/functions/test_router.py::test_readiness_needs_every_index",
    "tests/faults/test_lost_connections.py::test_an_event_is_stored_once_and_charged_once",
]


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run a mongod on a TCP port."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(str(find_mongod()), "--dbpath", str(folder), "--port", str(port)),
            *("--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"),
        ],
        stdout=subprocess.DEVNULL,
        preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call
    )
    try:
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        stop(process, 30)


def test_the_suite_runs_there_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with server(tmp_path) as uri, pymongo.MongoClient[dict[str, Any]](uri) as client:
        client["test_of_yours"].things.insert_one({})
        before = client.admin.command("serverStatus")["opcounters"]["insert"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *SUITE],
            cwd=ROOT,
            env=os.environ | {"FOOTFALL_TEST_MONGODB_URI": uri},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert client.admin.command("serverStatus")["opcounters"]["insert"] > before
        assert set(client.list_database_names()) == {"admin", "config", "local", "test_of_yours"}
        assert client.admin.command("getParameter", 1, ttlMonitorEnabled=1)["ttlMonitorEnabled"]
