"""What an earlier tick writes late, in the middle of a later one, changes no answer."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.metrics.engine.counts import COLLECTION, step_of
from shared.metrics.engine.steps import Steps
from shared.metrics.engine.tick import Ticker
from shared.metrics.engine.watermark import OvertakenError
from shared.metrics.registry import METRICS
from shared.storage.database import Database
from tests.arrivals import KilledError, arrive, assert_exact, event, tapped, tick
from tests.conftest import FakeClock

pytestmark = pytest.mark.anyio


class Tick:
    """A tick that stops before its n-th operation, until told to go on."""

    def __init__(self, database: Database, at: datetime, number: int) -> None:
        self.stopped = asyncio.Event()
        self._go_on = asyncio.Event()
        self._left = number
        self._dies = False
        ticker = Ticker(tapped(database, self._told), METRICS, lambda: at)
        self._task = asyncio.create_task(ticker.tick())
        self._task.add_done_callback(lambda _task: self.stopped.set())

    def _told(self, operation: str) -> Awaitable[None] | None:
        self._left -= 1
        if self._left < 0 and self._dies:
            raise KilledError
        return self._wait() if self._left == -1 and operation != "find" else None

    async def _wait(self) -> None:
        self.stopped.set()
        await self._go_on.wait()

    async def end(self, *, dies: bool = False) -> dict[str, Any] | None:
        """Let it go on, or do that one operation and die; return its answer."""
        self._dies = dies
        self._go_on.set()
        with suppress(KilledError, OvertakenError):
            return await self._task
        return None


@pytest.mark.parametrize("early_dies", [False, True])
@pytest.mark.parametrize("number", range(3, 22))
async def test_what_goes_on_in_the_middle_of_a_later_tick_leaves_nothing_wrong(
    database: Database, number: int, early_dies: bool
) -> None:
    clock = FakeClock()
    clock.advance(seconds=2.5)
    for other in range(number % 5, 24, 5):
        await arrive(database, clock.now, [event(age=0, user_id=f"u{other}")])
        clock.advance(seconds=2)
        came = [event(age=1, user_id=f"{other} {n}", session_id=f"{other} {n}") for n in range(3)]
        early = Tick(database, clock.now, number)
        await early.stopped.wait()
        await arrive(database, clock.now - timedelta(seconds=0.5), came[:1])
        await arrive(database, clock.now + timedelta(seconds=0.5), came[1:2])
        clock.advance(seconds=6)
        later = Tick(database, clock.now, other)
        await later.stopped.wait()
        await arrive(database, clock.now - timedelta(seconds=3), came[2:])
        await early.end(dies=early_dies)
        await later.end(dies=early_dies and other % 2 == 0)
        clock.advance(seconds=1)
        await assert_exact(database, await tick(database, clock.now))


async def test_a_step_that_was_counted_early_and_is_written_late_replaces_none_of_more_events(
    database: Database,
) -> None:
    clock = FakeClock()
    came = clock.now + timedelta(seconds=1)
    await arrive(database, came, [event(age=0)])
    await arrive(database, came, [event(age=0, event_type="late")])
    clock.advance(seconds=7)
    await tick(database, clock.now)
    counted = await database.collection(COLLECTION).find_one({})
    await database.events.delete_many({"event_type": "late"})  # as it was when that was counted
    await Steps(database).make(step_of(came))
    assert await database.collection(COLLECTION).find_one({}) == counted


@pytest.mark.parametrize("number", range(4, 12))
async def test_a_deletion_that_lands_late_spares_what_was_made_since(
    database: Database, number: int
) -> None:
    clock = FakeClock()
    await arrive(database, clock.now, [event(age=0)] * 2)
    await arrive(database, clock.now, [event(age=0, event_type="rolled back")])
    clock.advance(seconds=7)
    await tick(database, clock.now)
    await database.events.delete_many({"event_type": "rolled back"})
    early = Tick(database, clock.now, number)
    await early.stopped.wait()
    clock.advance(seconds=6)
    await tick(database, clock.now)
    await early.end(dies=True)
    clock.advance(seconds=1)
    document = await tick(database, clock.now)
    assert (document["events"]["total"], document["page_views"]["total"]) == (2, 2)
