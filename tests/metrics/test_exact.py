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

from shared import deadlines
from shared.clock import MAX_SKEW, system_clock
from shared.metrics.current import CurrentMetrics
from shared.metrics.engine import last_seen
from shared.metrics.engine.last_seen import SPARED
from shared.metrics.engine.tick import Ticker, rollups_of
from shared.metrics.engine.watermark import OvertakenError
from shared.metrics.registry import METRICS, indexes
from shared.storage.database import Database, connected
from tests.arrivals import KilledError, arrive, assert_exact, event, stored, tapped, tick
from tests.conftest import FakeClock

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
    """Delete watermarks, and the steps of the last two minutes."""
    for name in names:
        half = [{"_id": 0}, {"_id": {"$gt": clock.now - timedelta(minutes=2)}}]
        await database.collection(name).delete_many({"$or": half})


async def die(database: Database, clock: FakeClock, when: tuple[int, float]) -> None:
    """Tick by a clock that is so many seconds ahead, and die at the n-th operation."""
    operations, ahead = when
    with suppress(KilledError):
        await tick(dying(database, operations), clock.now + timedelta(seconds=ahead))


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
AHEAD = st.sampled_from([0, 0, 1, MAX_SKEW.total_seconds()])
AGO = st.sampled_from([0, 1, 3, 20, 240, 700])
WHAT_HAPPENS = st.lists(
    st.one_of(
        st.tuples(st.just(land), st.tuples(st.just(0), EVENTS)),
        st.tuples(st.just(land), st.tuples(AGO, EVENTS)),
        st.tuples(st.just(let_pass), st.integers(1, 25_000)),
        st.tuples(st.just(let_pass), st.sampled_from([10_000, 60_000, 299_999, 4_000_000])),
        st.tuples(st.just(tick_together), st.integers(1, 2)),
        st.tuples(st.just(die), st.tuples(st.integers(0, 40), AHEAD)),
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


@pytest.mark.parametrize("ahead", [3, 6, 10, 700, 4000], ids=lambda ahead: f"{ahead} s ahead")
async def test_a_tick_by_a_clock_that_was_set_ahead_spoils_no_other(
    database: Database, ahead: float
) -> None:
    clock = FakeClock()
    for number in range(0, 40, 3):
        clock.now = system_clock()  # MongoDB's own clock tells what is ahead
        late = [event(age=0.5, user_id=f"late {number}", page_url=f"/{number}")]
        await arrive(database, clock.now, [event(age=0, user_id=f"u{number}")])
        with suppress(KilledError):
            await tick(dying(database, number), clock.now + timedelta(seconds=ahead))
        await arrive(database, clock.now, late)
        clock.advance(milliseconds=100)
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

    for number in range(2, 24, 2):
        await arrive(database, clock.now, [event(age=0, user_id=f"u{number}")])
        clock.advance(seconds=1.1)
        with at_operation(database, number, stop) as watched:
            await assert_exact(database, await CurrentMetrics(watched, clock).get())
        clock.advance(seconds=1.1)
        await assert_exact(database, await CurrentMetrics(database, clock).get())


async def test_a_tick_that_took_so_long_that_ttl_may_have_deleted_what_it_reads_is_no_answer(
    database: Database,
) -> None:
    clock = FakeClock()
    await arrive(database, clock.now, [event(age=0)])
    passes = at_operation(database, 12, lambda: clock.advance(seconds=59))
    with passes as slow, pytest.raises(OvertakenError):
        await Ticker(slow, METRICS, clock).tick()
    await assert_exact(database, await tick(database, clock.now))


def test_ttl_spares_what_a_window_holds_by_a_clock_that_is_behind() -> None:
    assert MAX_SKEW + timedelta(seconds=deadlines.READ) < SPARED
    for rollup in rollups_of(METRICS):
        [ttl] = [index.document["expireAfterSeconds"] for index in rollup.indexes]
        assert ttl >= (rollup.window + SPARED).total_seconds()


async def test_answers_come_from_rollups_and_not_from_raw_events(database: Database) -> None:
    clock = FakeClock()
    await arrive(database, clock.now - timedelta(seconds=40), [event(age=0, user_id="counted")])
    before = await tick(database, clock.now)
    await database.events.update_many({}, {"$set": {"user_id": "not", "page_url": "/not"}})
    clock.advance(seconds=1)
    after = await tick(database, clock.now)
    assert after["page_views"]["top"] == before["page_views"]["top"]
    assert after["active_sessions"]["users"] == before["active_sessions"]["users"]


def test_each_collection_that_is_rolled_up_is_deleted_by_ttl() -> None:
    for models in indexes().values():
        assert any("expireAfterSeconds" in model.document for model in models)
    assert rollups_of(METRICS)
