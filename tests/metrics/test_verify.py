"""An event that lands long after it arrived is found."""

from datetime import timedelta
from typing import Any

import pytest

from shared.metrics.current import CurrentMetrics
from shared.metrics.engine.counts import COLLECTION
from shared.metrics.engine.verify import FEW, TURNS
from shared.metrics.sessions import SESSIONS
from shared.storage.database import Database
from tests.arrivals import arrive, assert_exact, event
from tests.conftest import FakeClock

pytestmark = pytest.mark.anyio


async def pass_steps(
    database: Database,
    clock: FakeClock,
    current: CurrentMetrics,
    *,
    events: list[dict[str, Any]],
    number: int,
) -> None:
    """Let so many steps pass, with the same events in each and a tick at its end."""
    for _ in range(number):
        await arrive(database, clock.now, events)
        clock.advance(seconds=5)
        await current.get()


@pytest.mark.parametrize("restarts", [False, True], ids=["one process", "a new one each tick"])
async def test_old_steps_are_verified_in_turn(database: Database, restarts: bool) -> None:
    clock = FakeClock()
    current = CurrentMetrics(database, clock)
    await pass_steps(database, clock, current, events=[event(age=0)] * (FEW // 30), number=60)
    await arrive(database, clock.now - timedelta(seconds=200), [event(age=0, page_url="/late")])
    for _ in range(TURNS):
        clock.advance(seconds=10)
        document = await (CurrentMetrics(database, clock) if restarts else current).get()
        if document["page_views"]["pages"] > 1:
            break
    await assert_exact(database, document)


@pytest.mark.parametrize(
    ("latency", "gap", "forgotten"),
    [(1.3, 19, False), (7.5, 15, False), (14.9, 10, False), (1.3, 20.5, True)],
)
async def test_what_lands_between_two_ticks_is_counted_by_the_second(
    database: Database, latency: float, gap: float, forgotten: bool
) -> None:
    clock = FakeClock()
    current = CurrentMetrics(database, clock)
    await pass_steps(database, clock, current, events=[event(age=0)] * (FEW // 10), number=20)
    clock.advance(seconds=1.1)
    await current.get()
    late = event(age=0, user_id="late", session_id="late", page_url="/late")
    await arrive(database, clock.now - timedelta(seconds=latency), [late])
    if forgotten:
        await database.collection(SESSIONS.collection).delete_many({})
    clock.advance(seconds=gap)
    await assert_exact(database, await current.get())


async def test_steps_that_are_missing_are_made_at_once(database: Database) -> None:
    clock = FakeClock()
    current = CurrentMetrics(database, clock)
    await pass_steps(database, clock, current, events=[event(age=0)] * (FEW // 30), number=60)
    old = [clock.now - timedelta(seconds=ago) for ago in (100, 105, 200)]
    await database.collection(COLLECTION).delete_many({"_id": {"$in": old}})
    clock.advance(seconds=1)
    await assert_exact(database, await current.get())


async def test_what_a_pause_held_back_is_counted_at_once(database: Database) -> None:
    clock = FakeClock()
    current = CurrentMetrics(database, clock)
    await pass_steps(database, clock, current, events=[event(age=0)] * (FEW // 5), number=10)
    came = clock.now
    clock.advance(seconds=300)
    for ago in range(20):
        await current.get()
        await arrive(database, came + timedelta(seconds=ago), [event(age=0, user_id=f"{ago}")])
        clock.advance(seconds=1.5)
        await assert_exact(database, await current.get())
