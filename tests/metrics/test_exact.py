"""Whatever has become of the rollups, every metric equals a brute-force count."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pymongo
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.metrics.current import CurrentMetrics
from shared.metrics.engine import counts, last_seen
from shared.metrics.engine.tick import Ticker, rollups_of
from shared.metrics.engine.verify import FEW
from shared.metrics.engine.watermark import OvertakenError
from shared.metrics.per_minute import read_per_minute
from shared.metrics.registry import METRICS, indexes
from shared.storage.database import Database, connected
from tests.arrivals import KilledError, arrive, assert_exact, event, stored, tapped, tick
from tests.conftest import FakeClock
from tests.oracle import expected_minutes

pytestmark = pytest.mark.anyio

ROLLED_UP = sorted(indexes())


EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "age": st.one_of(
                st.sampled_from([0, 290, 299.999, 300, 310, 890, 899.999, 900, 910, 3600, 7200]),
                st.integers(0, 1_000_000).map(lambda milliseconds: milliseconds / 1000),
                st.integers(0, 12_000).map(lambda milliseconds: milliseconds / 1000),
            ),
            "user_id": st.sampled_from(["a", "b", "$c", "\u00fc"]),
            "event_type": st.sampled_from(
                ["page_view", "page_view", "add_to_cart", "purchase", "click"]
            ),
            "page_url": st.sampled_from(["/", "/a", "/$b.c", "/" + "x" * 300]),
        },
        optional={"session_id": st.sampled_from(["1", "2", "$3", "\u4e2d"])},
    ),
    max_size=8,
)


async def forget(database: Database, _clock: FakeClock, names: list[str]) -> None:
    for name in names:
        await database.collection(name).delete_many({})


async def forget_half(database: Database, clock: FakeClock, names: list[str]) -> None:
    """Delete watermarks, and the heads of the last two minutes."""
    for name in names:
        half = [{"_id": 0}, {"_id": {"$gt": clock.now - timedelta(minutes=2)}}]
        await database.collection(name).delete_many({"$or": half})


async def die(database: Database, clock: FakeClock, operations: int) -> None:
    with suppress(KilledError):
        await tick(dying(database, operations), clock.now)


async def land(database: Database, clock: FakeClock, late: tuple[float, list[Any]]) -> None:
    ago, events = late
    await arrive(database, clock.now - timedelta(seconds=ago), events)


async def tick_together(database: Database, clock: FakeClock, processes: int) -> None:
    ticks = [Ticker(database, METRICS, clock).tick() for _ in range(processes)]
    for outcome in await asyncio.gather(*ticks, return_exceptions=True):
        assert isinstance(outcome, dict | OvertakenError)


async def let_pass(_database: Database, clock: FakeClock, milliseconds: int) -> None:
    clock.advance(milliseconds=milliseconds)


def dying(database: Database, operations: int) -> Database:
    """Return the database of a process that dies at its n-th operation."""
    left = operations

    def told(_operation: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KilledError

    return tapped(database, told)


SEVERAL = st.lists(st.sampled_from(ROLLED_UP), min_size=1, unique=True)
AGO = st.sampled_from([0, 1, 3, 20, 240, 700])
WHAT_HAPPENS = st.lists(
    st.one_of(
        st.tuples(st.just(land), st.tuples(st.just(0), EVENTS)),
        st.tuples(st.just(land), st.tuples(AGO, EVENTS)),
        st.tuples(st.just(let_pass), st.integers(1, 25_000)),
        st.tuples(st.just(let_pass), st.sampled_from([10_000, 60_000, 299_999, 4_000_000])),
        st.tuples(st.just(tick_together), st.integers(1, 2)),
        st.tuples(st.just(die), st.integers(0, 40)),
        st.tuples(st.just(forget), SEVERAL),
        st.tuples(st.just(forget_half), SEVERAL),
    ),
    min_size=3,
    max_size=14,
)


@given(happening=WHAT_HAPPENS, piece=st.sampled_from([last_seen.MAX_UPSERTED, 3]))
async def test_every_metric_is_exact_whatever_became_of_the_rollups(
    database: Database,
    happening: Sequence[tuple[Callable[..., Any], Any]],
    piece: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("events", *ROLLED_UP):
        await database.collection(name).delete_many({})
    monkeypatch.setattr(last_seen, "MAX_UPSERTED", piece)
    clock = FakeClock()
    for happens, value in happening:
        await happens(database, clock, value)
        await assert_exact(database, await tick(database, clock.now))
    clock.advance(seconds=7)
    await assert_exact(database, await tick(database, clock.now))


@contextmanager
def at_operation(database: Database, number: int, act: Callable[[], None]) -> Iterator[Database]:
    """Do something before the n-th operation of whoever uses this database."""
    operations = 0

    def told(_operation: str) -> None:
        nonlocal operations
        if operations == number:
            act()
        operations += 1

    yield tapped(database, told)
    assert operations > number, "there is no such operation"


# A tick has some 30 operations; what comes after the last of them is the same as before a tick.
@pytest.mark.parametrize("ago", [0, 3, 8, 100], ids=lambda ago: f"{ago} s after its arrival")
async def test_an_event_that_lands_between_any_two_operations_of_a_tick_is_counted_by_the_next(
    mongodb_uri: str, database: Database, ago: float
) -> None:
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri, tz_aware=True) as client:
        events = client[database.name].events
        clock = FakeClock()
        clock.advance(seconds=2.5)
        for number in range(17):
            clock.advance(milliseconds=300)
            await arrive(database, clock.now, [event(age=0, user_id=f"u{number}")])
            clock.advance(milliseconds=700)
            arrived = clock.now - timedelta(seconds=ago)
            late = [event(age=1, user_id=f"late {number}", session_id=f"late {number}")]

            def land(arrived: Any = arrived, late: Any = late) -> None:
                events.insert_many(stored(arrived, late))

            with at_operation(database, number, land) as watched:
                await tick(watched, clock.now)
            clock.advance(milliseconds=700)
            await assert_exact(database, await tick(database, clock.now))


async def test_a_tick_that_dies_at_any_operation_leaves_nothing_wrong(database: Database) -> None:
    clock = FakeClock()
    clock.advance(seconds=2.5)
    for number in range(40):
        late = [event(age=1, user_id=f"late {number}", session_id=f"late {number}")]
        clock.advance(milliseconds=400)
        await arrive(database, clock.now, [event(age=0, user_id=f"u{number}")])
        await arrive(database, clock.now - timedelta(seconds=6), late)
        clock.advance(milliseconds=500)
        with suppress(KilledError):
            await tick(dying(database, number), clock.now)
        clock.advance(milliseconds=900)
        await assert_exact(database, await tick(database, clock.now))


@pytest.mark.parametrize("pause", [7, 12, 40], ids=lambda pause: f"for {pause} s")
async def test_a_process_that_was_stopped_in_a_tick_answers_nothing_that_another_moved_on(
    mongodb_uri: str, database: Database, pause: float
) -> None:
    clock = FakeClock()

    async def meanwhile() -> None:
        async with connected(mongodb_uri) as client:
            other = Database(client, database.name, {})
            for seconds in (pause, 2):  # the lease has run out by then
                clock.advance(seconds=seconds)
                came = [
                    event(age=0, user_id=f"{clock.now}"),
                    event(age=0.5, session_id=f"{clock.now}"),
                ]
                await arrive(other, clock.now, came)
                late = [event(age=1, page_url="/late")]
                await arrive(other, clock.now - timedelta(seconds=1), late)
                await assert_exact(other, await CurrentMetrics(other, clock).get())

    def stop() -> None:
        thread = threading.Thread(target=asyncio.run, args=(meanwhile(),))
        thread.start()
        thread.join()

    for number in range(2, 28, 2):
        await arrive(database, clock.now, [event(age=0, user_id=f"u{number}")])
        clock.advance(seconds=1.1)
        with at_operation(database, number, stop) as watched:
            await assert_exact(database, await CurrentMetrics(watched, clock).get())
        clock.advance(seconds=1.1)
        await assert_exact(database, await CurrentMetrics(database, clock).get())


async def test_answers_come_from_rollups_and_not_from_raw_events(database: Database) -> None:
    clock = FakeClock()
    await arrive(database, clock.now - timedelta(seconds=40), [event(age=0, user_id="counted")])
    before = await tick(database, clock.now)
    await database.events.update_many({}, {"$set": {"user_id": "not", "page_url": "/not"}})
    clock.advance(seconds=1)
    after = await tick(database, clock.now)
    assert after["page_views"]["top"] == before["page_views"]["top"]
    assert after["active_sessions"]["users"] == before["active_sessions"]["users"]


@pytest.mark.parametrize("restarts", [False, True], ids=["one process", "a new one each tick"])
async def test_old_steps_are_verified_in_turn(database: Database, restarts: bool) -> None:
    clock = FakeClock()
    current = CurrentMetrics(database, clock)
    for _ in range(60):
        await arrive(database, clock.now, [event(age=0)] * (FEW // 30))
        clock.advance(seconds=5)
        await current.get()
    await arrive(database, clock.now - timedelta(seconds=200), [event(age=0, page_url="/late")])
    for _ in range(31):
        clock.advance(seconds=10)
        document = await (CurrentMetrics(database, clock) if restarts else current).get()
        if document["page_views"]["pages"] > 1:
            break
    await assert_exact(database, document)


async def test_what_a_pause_held_back_is_counted_at_once(database: Database) -> None:
    clock = FakeClock()
    current = CurrentMetrics(database, clock)
    for _ in range(10):
        await arrive(database, clock.now, [event(age=0)] * (FEW // 5))
        clock.advance(seconds=5)
        await current.get()
    came = clock.now
    clock.advance(seconds=300)
    for ago in range(20):
        await current.get()
        await arrive(database, came + timedelta(seconds=ago), [event(age=0, user_id=f"{ago}")])
        clock.advance(seconds=1.5)
        await assert_exact(database, await current.get())


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


def test_each_collection_that_is_rolled_up_is_deleted_by_ttl() -> None:
    for models in indexes().values():
        assert any("expireAfterSeconds" in model.document for model in models)
    assert rollups_of(METRICS)
