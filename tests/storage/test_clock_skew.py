"""A clock that is far from MongoDB's: said, measured, nothing taken or counted, and healed."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from pymongo.errors import AutoReconnect

from shared.clock import ClockSkewError, system_clock
from shared.deadlines import LEASE
from shared.storage.clock_skew import EVERY, TOLERATED, ClockSkew
from shared.storage.database import Database
from shared.storage.leases import Lease
from tests.conftest import FakeClock, Service

pytestmark = pytest.mark.anyio

AHEAD, BEHIND = timedelta(seconds=12), timedelta(seconds=-12)


class Server:
    """MongoDB's clock, on which a request and its answer take a while each."""

    def __init__(self, ours: FakeClock) -> None:
        self._ours = ours
        self.offset = timedelta()  # of our clock, against this one
        self.way = timedelta(milliseconds=1)
        self.way_back = timedelta(milliseconds=1)
        self.is_away = False
        self.asked = 0

    async def now(self) -> datetime:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise AutoReconnect("gone")
        self._ours.now += self.way
        now = self._ours.now - self.offset
        self._ours.now += self.way_back
        return now


@pytest.fixture
def ours() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(ours: FakeClock) -> Server:
    return Server(ours)


@pytest.fixture
def skew(ours: FakeClock, server: Server) -> ClockSkew:
    return ClockSkew(ours, server.now)


async def is_refused(skew: ClockSkew) -> bool:
    try:
        await skew.check()
    except ClockSkewError:
        return True
    return False


@pytest.mark.parametrize(
    ("offset", "way", "way_back", "refused"),
    [
        (0.0, 0.001, 0.001, False),
        (1.9, 0.001, 0.001, False),
        (-1.9, 0.001, 0.001, False),
        (2.1, 0.001, 0.001, True),
        (-2.1, 0.001, 0.001, True),
        (3600, 0.001, 0.001, True),
        (0.0, 0.0, 9.0, False),  # a slow answer is no skew …
        (0.0, 9.0, 0.0, False),
        (12.0, 0.0, 9.0, True),  # … and hides none that is larger than it
        (-12.0, 9.0, 0.0, True),
    ],
)
async def test_refuses_what_is_certainly_beyond_the_tolerance(
    skew: ClockSkew, server: Server, offset: float, way: float, way_back: float, *, refused: bool
) -> None:
    server.offset = timedelta(seconds=offset)
    server.way, server.way_back = timedelta(seconds=way), timedelta(seconds=way_back)
    assert await is_refused(skew) is refused


async def test_asks_mongodb_once_in_a_while(
    skew: ClockSkew, server: Server, ours: FakeClock
) -> None:
    for _ in range(10):
        await skew.check()
    assert server.asked == 1
    ours.now += EVERY
    await skew.check()
    assert server.asked == 2


@pytest.mark.parametrize("jump", [3600, -3600, -0.5])
async def test_asks_at_once_when_the_clock_was_set(
    skew: ClockSkew, server: Server, ours: FakeClock, jump: float
) -> None:
    await skew.check()
    server.offset = timedelta(seconds=jump)
    ours.now += server.offset
    assert await is_refused(skew) is (abs(jump) > 2)
    assert server.asked == 2


async def test_everybody_waits_for_the_verdict_on_a_clock_that_was_set(
    skew: ClockSkew, server: Server, ours: FakeClock
) -> None:
    await skew.check()
    server.offset = AHEAD
    ours.now += AHEAD
    assert all(await asyncio.gather(*[is_refused(skew) for _ in range(10)]))
    assert server.asked == 2


async def test_keeps_its_verdict_while_mongodb_is_away_or_slow(
    skew: ClockSkew, server: Server, ours: FakeClock
) -> None:
    server.is_away = True
    assert not await is_refused(skew)  # nothing known: what needs MongoDB fails by itself
    server.is_away, server.offset = False, AHEAD
    ours.now += EVERY
    assert await is_refused(skew)
    server.is_away = True
    ours.now += EVERY
    assert await is_refused(skew)
    server.is_away, server.offset, server.way = False, timedelta(), timedelta(seconds=9)
    ours.now += EVERY
    assert await is_refused(skew)  # 4.5 s off, or not at all
    server.way = timedelta()
    ours.now += EVERY
    assert not await is_refused(skew)


@pytest.mark.parametrize("offset", [AHEAD, BEHIND])
async def test_says_once_that_it_begins_and_once_that_it_is_over(
    skew: ClockSkew,
    server: Server,
    ours: FakeClock,
    caplog: pytest.LogCaptureFixture,
    offset: timedelta,
) -> None:
    caplog.set_level(logging.INFO, "footfall")
    for server.offset in (timedelta(), offset, offset, timedelta(), timedelta()):
        await is_refused(skew)
        ours.now += EVERY
    begins, over = [record.getMessage() for record in caplog.records]
    assert "12.0 s " + ("ahead of" if offset > timedelta() else "behind") in begins
    assert f"{TOLERATED.total_seconds():g} s" in begins
    assert "right again" in over


async def test_a_service_whose_clock_is_off_takes_and_counts_nothing_and_heals(
    service: Service,
) -> None:
    right = service.clock.now
    service.clock.now, service.mongodb_clock.offset = right + AHEAD, AHEAD
    for refused in (
        await service.send(service.event()),
        await service.client.get("/v1/metrics"),
        await service.client.get("/v1/metrics/active-sessions/usr_1"),
    ):
        assert refused.status_code == 503
        assert refused.json()["type"].endswith("#clock-skew")
        assert int(refused.headers["Retry-After"]) >= 1
    assert await service.resources.database.events.count_documents({}) == 0
    ready = await service.client.get("/readyz")
    assert ready.status_code == 503
    assert "clock" in ready.json()["detail"]
    assert "footfall_clock_skew_seconds 12.0" in (await service.client.get("/metrics")).text

    service.clock.now, service.mongodb_clock.offset = right, timedelta()
    assert (await service.send(service.event())).status_code == 202
    assert (await service.client.get("/readyz")).status_code == 200
    assert "footfall_clock_skew_seconds 0.0" in (await service.client.get("/metrics")).text


async def test_a_clock_that_is_set_while_a_body_comes_stores_nothing(service: Service) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"["
        service.clock.now, service.mongodb_clock.offset = service.clock.now + AHEAD, AHEAD
        yield json.dumps(service.event()).encode() + b"]"

    headers = {"Content-Type": "application/json"}
    refused = await service.client.post("/v1/events", content=body(), headers=headers)
    assert refused.json()["type"].endswith("#clock-skew")
    assert await service.resources.database.events.count_documents({}) == 0


async def test_a_clock_that_is_set_while_another_process_ticks_counts_nothing(
    service: Service,
) -> None:
    database = service.resources.database
    other = Lease(database.leases, "tick", timedelta(seconds=LEASE), service.clock)
    assert await other.take()
    asked = asyncio.create_task(service.client.get("/v1/metrics"))
    await asyncio.sleep(0.1)  # it was let in, and waits
    service.clock.now, service.mongodb_clock.offset = service.clock.now + AHEAD, AHEAD
    await other.release()
    assert (await asked).json()["type"].endswith("#clock-skew")
    assert await database.latest.count_documents({}) == 0


async def test_mongodb_s_clock_is_read(database: Database) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert before <= await database.now() <= datetime.now(UTC)
    await ClockSkew(system_clock, database.now).check()
