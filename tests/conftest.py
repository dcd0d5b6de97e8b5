"""What tests run against: a real mongod, a clock they set, the service in process or by itself."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx
import pymongo
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as properties

from functions.router import routes
from shared.http.application import application
from shared.metrics import registry
from shared.resources import Resources, open_resources
from shared.settings import read_settings
from shared.storage.database import Client, Database, connected, indexes
from shared.storage.embedded_mongod import embedded_mongod
from shared.storage.processes import end_with_parent

ROOT = Path(__file__).resolve().parent.parent
OTHER_SERVER = os.environ.get("FOOTFALL_TEST_MONGODB_URI", "")

# Other examples in every run. `--hypothesis-profile=thorough` tries twenty times as many.
properties.register_profile(
    "suite",
    max_examples=20,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
properties.register_profile("thorough", properties.get_profile("suite"), max_examples=400)
properties.load_profile("suite")


@dataclass
class FakeClock:
    """A clock that stands still until it is told to move."""

    now: datetime = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def advance(self, **by: float) -> None:
        """Move on by a `timedelta(**by)`."""
        self.now += timedelta(**by)


@dataclass
class MongoDBClock:
    """MongoDB's clock for a service whose own clock the test sets."""

    ours: FakeClock
    offset: timedelta = timedelta()  # of ours, against this one

    async def now(self) -> datetime:
        """Return the time."""
        return self.ours() - self.offset


@dataclass
class Service:
    """The whole service in this process: its parts, its clock, and a client over ASGI."""

    resources: Resources
    clock: FakeClock
    client: httpx.AsyncClient
    mongodb_clock: MongoDBClock

    def event(self, *, ago: float = 0.0, **fields: Any) -> dict[str, Any]:
        """Make a valid event that happened `ago` seconds before now."""
        happened = self.clock.now - timedelta(seconds=ago)
        return {
            "timestamp": happened.isoformat(timespec="milliseconds"),
            "user_id": "usr_1",
            "event_type": "page_view",
            "page_url": "/",
        } | fields

    async def send(self, *events: object, **options: Any) -> httpx.Response:
        """Post events as an array."""
        return await self.client.post("/v1/events", json=list(events), **options)

    async def get(self, path: str, **options: Any) -> Any:
        """Get a document that must be there."""
        response = await self.client.get(path, **options)
        assert response.status_code == 200, response.text
        return response.json()


StartService = Callable[..., contextlib.AbstractAsyncContextManager[Service]]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run every asynchronous test in one asyncio loop."""
    return "asyncio"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Have a server that is not ours left as it was, once every process of the run has ended."""
    if not OTHER_SERVER or hasattr(session.config, "workerinput"):
        return
    with pymongo.MongoClient[dict[str, Any]](OTHER_SERVER) as client:
        before = client.list_database_names()

    def clean() -> None:
        with pymongo.MongoClient[dict[str, Any]](OTHER_SERVER) as client:
            for name in client.list_database_names():
                if name.startswith("test_") and name not in before:
                    client.drop_database(name)
            client.admin.command("setParameter", 1, ttlMonitorEnabled=True)

    session.config.add_cleanup(clean)


def _in_memory() -> str | None:
    """Return a folder that is no disk, if it has room: a database is made in half the time."""
    folder = Path("/dev/shm")  # noqa: S108 - what is made in it has a name of its own
    has_room = folder.is_dir() and shutil.disk_usage(folder).free > 4 << 30
    return str(folder) if has_room else None


@pytest.fixture(scope="session")
def mongodb_uri() -> Iterator[str]:
    """Return the address of a server that deletes nothing by itself.

    It is a mongod of our own, another for each process that runs tests, or the one that
    FOOTFALL_TEST_MONGODB_URI names. The tests' clock stands still in the past, so that TTL would
    find everything expired.
    """
    with contextlib.ExitStack() as running:
        uri = OTHER_SERVER
        if not uri:
            folder = running.enter_context(TemporaryDirectory(prefix="footfall-", dir=_in_memory()))
            uri = running.enter_context(embedded_mongod(Path(folder)))
        with pymongo.MongoClient[dict[str, Any]](uri) as client:
            client.admin.command("setParameter", 1, ttlMonitorEnabled=False)
        yield uri


@pytest.fixture(scope="module")
async def mongodb(mongodb_uri: str) -> AsyncIterator[Client]:
    """Connect to the suite's mongod.

    For a module: PyMongo's client watches the server in our loop, and takes one for lost that it
    could not watch while tests of processes held the loop.
    """
    async with connected(mongodb_uri) as client:
        yield client


@pytest.fixture
async def database(mongodb: Client) -> AsyncIterator[Database]:
    """Make a database of a test's own, with its indexes."""
    name = f"test_{uuid4().hex}"
    database = Database(mongodb, name, indexes(86400) | registry.indexes())
    await database.ensure_indexes()
    yield database
    await mongodb.drop_database(name)


@contextlib.asynccontextmanager
async def serve(client: Client, **environment: str) -> AsyncIterator[Service]:
    """Put the service together with settings from `environment`, on a database of its own."""
    name = f"test_{uuid4().hex}"
    clock = FakeClock()
    settings = read_settings({"FOOTFALL_DATABASE": name} | environment)
    mongodb_clock = MongoDBClock(clock)
    resources = open_resources(settings, clock=clock, client=client, server_clock=mongodb_clock.now)
    await resources.database.ensure_indexes()
    app = application(routes, resources=lambda: resources, cors_origins=settings.cors_origins)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://footfall") as http:
        yield Service(resources, clock, http, mongodb_clock)
    await client.drop_database(name)


@pytest.fixture
async def start_service(mongodb: Client) -> StartService:
    """Start services in this process, on the real mongod, with settings by keyword."""
    return lambda **environment: serve(mongodb, **environment)


@pytest.fixture
async def service(start_service: StartService) -> AsyncIterator[Service]:
    """Start a service with the default settings."""
    async with start_service(
        FOOTFALL_RATE_LIMIT="100000/second", FOOTFALL_TOTAL_RATE_LIMIT="100000/second"
    ) as started:
        yield started


def free_port() -> int:
    """Find a port that nobody listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on, each another."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextlib.contextmanager
def running_service(**environment: str) -> Iterator[str]:
    """Run `python -m functions` as its own process and give its base URL once it is ready."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "functions"],
        cwd=ROOT,
        env=os.environ | {"FOOTFALL_PORT": str(port), "FOOTFALL_GENERATOR_RATE": "0"} | environment,
        preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def wait_until_ready(url: str, process: subprocess.Popen[Any]) -> None:
    """Poll `/readyz` for at most a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the service ended early"
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        time.sleep(0.1)
    pytest.fail("the service was not ready within a minute")


@pytest.fixture(scope="session")
def service_url(mongodb_uri: str) -> Iterator[str]:
    """Run one service process for the whole suite, open to every origin, on its own database."""
    with open_service(mongodb_uri) as url:
        yield url


@pytest.fixture
def fresh_service_url(mongodb_uri: str) -> Iterator[str]:
    """Run a service process on an empty database, for one test."""
    with open_service(mongodb_uri) as url:
        yield url


def open_service(mongodb_uri: str) -> contextlib.AbstractContextManager[str]:
    """Run a service process on a database of its own, open to every origin, with a high limit."""
    return running_service(
        FOOTFALL_MONGODB_URI=mongodb_uri,
        FOOTFALL_DATABASE=f"test_{uuid4().hex}",
        FOOTFALL_CORS_ORIGINS="*",
        FOOTFALL_RATE_LIMIT="20000/second",
        FOOTFALL_TOTAL_RATE_LIMIT="20000/second",
    )
