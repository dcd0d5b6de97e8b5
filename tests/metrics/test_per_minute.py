"""Minutes of event time equal a brute-force count."""

import pytest

from shared.metrics.current import CurrentMetrics
from shared.metrics.engine import counts
from shared.metrics.per_minute import read_per_minute
from shared.storage.database import Database
from tests.arrivals import arrive, event
from tests.conftest import FakeClock
from tests.oracle import expected_minutes

pytestmark = pytest.mark.anyio


async def test_minutes_are_exact_as_far_back_as_an_hour(database: Database) -> None:
    clock = FakeClock()
    clock.advance(seconds=17)
    current = CurrentMetrics(database, clock)
    for _ in range(50):
        came = [
            event(age=age, event_type=kind) for age in (0, 59, 3000) for kind in ("page_view", "x")
        ]
        await arrive(database, clock.now, came)
        clock.advance(seconds=73)
        await current.get()
    for forgotten in (False, True):
        if forgotten:
            await database.collection(counts.COLLECTION).delete_many({})
        for minutes in (1, 30, 60):
            answer = await read_per_minute(database, current, minutes)
            events = await database.events.find({}).to_list(None)
            shown = [(m.minute, m.events, m.page_views) for m in answer.minutes]
            assert shown == expected_minutes(events, answer.as_of, minutes)
            assert [m.complete for m in answer.minutes] == [True] * (minutes - 1) + [False]


@pytest.mark.parametrize("second", [0, 0.001, 4.999, 5, 59.999])
async def test_an_event_is_in_the_minute_that_it_occurs_and_arrives_in(
    database: Database, second: float
) -> None:
    clock = FakeClock()
    clock.advance(seconds=second)
    await arrive(database, clock.now, [event(age=0)])
    clock.advance(seconds=0.0 if second > 59 else 10)
    answer = await read_per_minute(database, CurrentMetrics(database, clock), 1)
    assert [minute.events for minute in answer.minutes] == [1]


async def test_minutes_outlive_their_events(database: Database) -> None:
    clock = FakeClock()
    current = CurrentMetrics(database, clock)
    await arrive(database, clock.now, [event(age=0)])
    clock.advance(minutes=1)
    await current.get()
    clock.advance(minutes=40)
    await database.events.delete_many({})  # by their TTL
    await current.get()
    answer = await read_per_minute(database, current, 60)
    assert sum(minute.events for minute in answer.minutes) == 1
