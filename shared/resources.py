"""What every function works with, opened once for each event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bson import ObjectId
from starlette.requests import Request

from shared.clock import Clock, system_clock
from shared.http.auth import Keys, Scope
from shared.http.reads import Reads
from shared.ingest.body import ReadBudget
from shared.ingest.event_log import EventLog
from shared.ingest.rate_blocks import MongoWindows
from shared.ingest.rate_limits import RateLimits
from shared.ingest.rate_storage import MemoryWindows
from shared.ingest.rejections import RejectionLog
from shared.ingest.turns import Turns
from shared.metrics import registry
from shared.metrics.current import CurrentMetrics
from shared.settings import Settings, read_settings
from shared.storage.clock_skew import ClockSkew, ServerClock
from shared.storage.database import Client, Database, connect, indexes
from shared.storage.probe import Probe


@dataclass(frozen=True)
class Resources:
    """The parts of a running service."""

    settings: Settings
    clock: Clock
    new_id: Callable[[], object]
    keys: Keys
    database: Database
    read_budget: ReadBudget
    turns: Turns
    reads: Reads
    event_log: EventLog
    rejections: RejectionLog
    rate_limits: RateLimits
    metrics: CurrentMetrics
    clock_skew: ClockSkew
    probe: Probe

    async def close(self) -> None:
        """Store what still waits and drop the connections."""
        await asyncio.gather(self.rejections.flush(), self.metrics.close())
        await self.database.close()


def open_resources(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    new_id: Callable[[], object] = ObjectId,
    client: Client | None = None,
    server_clock: ServerClock | None = None,
) -> Resources:
    """Put the parts together. Nothing connects before it is first used.

    `server_clock` defaults to MongoDB's; a caller that passes `clock` must pass a matching one.
    """
    database = Database(
        client or connect(settings.mongodb_uri),
        settings.database,
        indexes(settings.event_retention) | registry.indexes(),
    )
    windows = (
        MongoWindows(database.rate_limits, clock)
        if settings.rate_limit_storage == "mongodb"
        else MemoryWindows(clock)
    )
    event_log = EventLog(database.events)
    clock_skew = ClockSkew(clock, server_clock or database.now)
    return Resources(
        settings=settings,
        clock=clock,
        new_id=new_id,
        keys=Keys(settings.write_keys, settings.read_keys),
        database=database,
        read_budget=ReadBudget(),
        turns=Turns(),
        reads=Reads(),
        event_log=event_log,
        rejections=RejectionLog(database.rejections, clock),
        rate_limits=RateLimits(settings.rate_limit, settings.total_rate_limit, windows),
        metrics=CurrentMetrics(database, clock, clock_skew.check),
        clock_skew=clock_skew,
        probe=Probe(database, clock_skew),
    )


class _Last:
    """The resources of the loop that ran last. A process has one loop, unless it is a test."""

    loop: asyncio.AbstractEventLoop | None = None
    resources: Resources


def loop_resources() -> Resources:
    """Return the running loop's resources, opened from the environment at the first call."""
    loop = asyncio.get_running_loop()
    if _Last.loop is not loop:
        _Last.resources = open_resources(read_settings())
        _Last.loop = loop
    return _Last.resources


def resources_of(request: Request) -> Resources:
    """Return the resources that the request's application was made with."""
    provide: Callable[[], Resources] = request.app.state.resources
    return provide()


@asynccontextmanager
async def reading(request: Request) -> AsyncIterator[Resources]:
    """Hold a place among the reads for a client that may read."""
    service = resources_of(request)
    async with service.reads.of(service.keys.identify(request, Scope.READ)):
        yield service
