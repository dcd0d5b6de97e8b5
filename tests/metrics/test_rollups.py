"""Rollups: whatever has become of them, every metric equals a brute-force count."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from random import Random
from typing import Any, cast
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect, OperationFailure

from shared.metrics import folding, segments, slices, states
from shared.metrics.basis import Basis, basis_at, sound
from shared.metrics.compute import compute_metrics
from shared.metrics.folding import MOST, audit, fold
from shared.metrics.pipelines import salting
from shared.metrics.rollups import VALID
from shared.storage.database import Collection, Database
from shared.storage.leases import Lease
from shared.windows import LONGEST
from tests.arrivals import arrive, assert_exact, basis, event, shown, slice_up
from tests.conftest import FakeClock

pytestmark = pytest.mark.anyio


class KilledError(Exception):
    """The process was killed here."""


class Mortal:
    """The rollups behind a process that dies at its n-th operation on them."""

    def __init__(self, rollups: Collection, operations: int) -> None:
        self._rollups = rollups
        self._left = operations

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Count an operation, and die at the last."""
        if self._left == 0:
            raise KilledError
        self._left -= 1
        return cast("Callable[..., Any]", getattr(self._rollups, name))


class Cramped(Mortal):
    """The rollups with too little room in a document at the n-th operation on them, once."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Count an operation."""
        try:
            return super().__getattr__(name)
        except KilledError:
            self._left = -1
            raise OperationFailure("BSONObj size is invalid", 10334) from None


EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "age": st.one_of(
                st.sampled_from([0, 290, 299.999, 300, 310, 890, 899.999, 900, 910, 7200]),
                st.integers(0, 1_000_000).map(lambda milliseconds: milliseconds / 1000),
                st.integers(0, 12_000).map(lambda milliseconds: milliseconds / 1000),
            ),
            "user_id": st.sampled_from(["a", "b", "$c", "\u00fc"]),
            "event_type": st.sampled_from(["page_view", "page_view", "click"]),
            "page_url": st.sampled_from(["/", "/a", "/$b.c"]),
        },
        optional={"session_id": st.sampled_from(["1", "2", "$3", "\u4e2d"])},
    ),
    max_size=8,
)
WORK = st.sampled_from([fold, slice_up])
FAILURES = st.sampled_from([Mortal, Cramped])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), EVENTS),
        st.tuples(st.just("pass"), st.integers(1, 25_000)),
        st.tuples(st.just("pass"), st.sampled_from([10_000, 60_000, 299_999, 900_000, 4_000_000])),
        st.tuples(st.just("do"), WORK),
        st.tuples(st.just("do twice at once"), WORK),
        st.tuples(st.just("fail at it"), st.tuples(FAILURES, WORK, st.integers(0, 8))),
        st.tuples(st.just("forget"), st.none()),
        st.tuples(st.just("land in a slice"), EVENTS),
        st.tuples(st.just("land late"), EVENTS),
        st.tuples(st.just("land very late"), EVENTS),
    ),
    min_size=3,
    max_size=14,
)


@contextmanager
def behind(database: Database, rollups: type[Mortal], operations: int) -> Iterator[None]:
    """Do what is within until it fails."""
    sound = database.rollups
    database.rollups = cast("Collection", rollups(sound, operations))
    try:
        with suppress(KilledError, OperationFailure):
            yield
    finally:
        database.rollups = sound


async def take(database: Database, clock: FakeClock, step: str, value: Any) -> None:
    match step:
        case "arrive":
            await arrive(database, clock.now, value)
        case "pass":
            clock.advance(milliseconds=value)
        case "do":
            await value(database, clock)
        case "do twice at once":
            await asyncio.gather(value(database, clock), value(database, clock))
        case "fail at it":
            failing, work, operations = value
            with behind(database, failing, operations):
                await work(database, clock)
        case "forget":
            await database.rollups.delete_many({})
        case "land in a slice":
            await arrive(database, clock.now - timedelta(seconds=3), value)
        case "land late":
            await arrive(database, clock.now - timedelta(seconds=20), value)
        case "land very late":
            await arrive(database, clock.now - timedelta(minutes=4), value)
            await fold(database, clock)
            await audit(database, clock)


@settings(
    max_examples=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS, in_a_part=st.sampled_from([states._PART, 5]), hot=st.sampled_from([10_000, 1]))
async def test_every_metric_is_exact_whatever_became_of_the_rollups(
    database: Database, steps: Sequence[tuple[str, Any]], in_a_part: int, hot: int
) -> None:
    await database.events.delete_many({})
    await database.rollups.delete_many({})
    clock = FakeClock()
    for step, value in steps:
        with patch.object(states, "_PART", in_a_part), patch.object(salting, "_HOT", hot):
            await take(database, clock, step, value)
        await assert_exact(database, clock.now)
    await fold(database, clock)
    assert await basis_at(database, clock.now)
    await assert_exact(database, clock.now)
    await assert_exact(database, clock.now + timedelta(seconds=7))


async def test_answers_come_from_rollups_and_not_from_raw_events(database: Database) -> None:
    clock = FakeClock()
    await arrive(database, clock.now - timedelta(seconds=40), [event(age=0)])
    await fold(database, clock)
    await database.events.delete_many({})
    assert (await shown(database, clock.now))["pages"] == [("/", 1)]


async def test_rollups_of_another_release_serve_nobody(database: Database) -> None:
    clock = FakeClock()
    await arrive(database, clock.now - timedelta(seconds=20), [event(age=0)])
    await fold(database, clock)
    await database.rollups.update_many(
        {"kind": "rollup"}, {"$inc": {"form": -1}, "$unset": {"total": 1}}
    )
    await assert_exact(database, clock.now)
    assert await fold(database, clock)
    assert await basis_at(database, clock.now)
    await assert_exact(database, clock.now)


async def test_rollups_before_the_one_that_missed_an_event_still_serve(
    database: Database,
) -> None:
    clock = FakeClock()
    await arrive(database, clock.now, [event(age=0)])
    for _ in range(4):
        clock.advance(seconds=5)
        await fold(database, clock)
    whole = await basis(database, clock.now)
    await arrive(database, whole.chain[1].until, [event(age=0, session_id="late")])
    assert await sound(database, whole, clock.now) == Basis(whole.chain[2:], [])
    await assert_exact(database, clock.now)
    await fold(database, clock)
    mended = await basis(database, clock.now)
    assert len(mended.chain) == len(whole.chain)
    assert await sound(database, mended, clock.now) == mended
    await assert_exact(database, clock.now)


@pytest.mark.parametrize("work", ["fold", "mend", "slice"])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_event_that_lands_before_or_after_a_segment_is_made_is_counted(
    database: Database, work: str, moment: str
) -> None:
    clock = FakeClock()
    await arrive(database, clock.now, [event(age=0)])
    clock.advance(seconds=5 if work == "mend" else 3)
    await fold(database, clock)
    if work == "mend":
        newest = (await basis(database, clock.now)).newest
        await arrive(database, newest.until, [event(age=0, session_id="late")])
    else:
        clock.advance(seconds=6 if work == "fold" else 1)
    landed = []

    async def make_segment(database: Database, since: datetime, until: datetime, *more: Any) -> Any:
        async def land(now: str) -> None:
            if moment == now:
                landed.append(until)
                await arrive(database, until, [event(age=0, user_id=f"landed {len(landed)}")])

        await land("before")
        made = await segments.make_segment(database, since, until, *more)
        await land("after")
        return made

    with (
        patch.object(folding, "make_segment", make_segment),
        patch.object(slices, "make_segment", make_segment),
    ):
        await (slice_up if work == "slice" else fold)(database, clock)
    assert landed
    await assert_exact(database, clock.now)
    await fold(database, clock)
    await assert_exact(database, clock.now)
    whole = await basis(database, clock.now)
    slice_missed_it = work == "slice" and moment == "after"
    served = Basis(whole.chain, []) if slice_missed_it else whole
    assert await sound(database, whole, clock.now) == served


async def test_an_event_is_in_the_answer_at_once(database: Database) -> None:
    clock = FakeClock()
    for _ in range(30):
        await arrive(database, clock.now, [event(age=0.5)])
        await assert_exact(database, clock.now)
        clock.advance(milliseconds=1300)
        await fold(database, clock)
    assert len((await basis(database, clock.now)).chain) > 3


@pytest.mark.parametrize("seed", range(5))
async def test_rankings_are_exact_whoever_did_something_since(
    database: Database, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(salting, "_SALTS", 3)
    chance = Random(seed)
    clock = FakeClock()

    def of_somebody(age: float) -> dict[str, Any]:
        user = chance.choice([0, min(int(chance.expovariate(0.01)), 299)])
        page = f"/{int(chance.paretovariate(0.7)) % 200}"
        fields = event(age=age, user_id=f"u{user}", page_url=page)
        del fields["session_id"]
        session = chance.randrange(2 + user % 7 if user else 200)
        return fields | {"session_id": f"{session}"} if session else fields

    clock.advance(seconds=-20)
    await arrive(database, clock.now, [of_somebody(chance.uniform(0, 900)) for _ in range(3000)])
    clock.advance(seconds=20)
    await fold(database, clock)
    for _ in range(4):
        ages = [chance.choice([chance.expovariate(1), chance.uniform(0, 300)]) for _ in range(90)]
        await arrive(database, clock.now, [of_somebody(age) for age in ages])
        for ahead in (0.0, 1.0, VALID.total_seconds() - 20, VALID.total_seconds() + 1, 150.0):
            await assert_exact(database, clock.now + timedelta(seconds=ahead))
        clock.advance(seconds=4)
        if chance.random() < 0.5:
            # So that a state is divided otherwise than the one before it, as when it has grown.
            with patch.object(states, "_PART", chance.choice([states._PART, 2000, 500])):
                await fold(database, clock)
        elif chance.random() < 0.5:
            with (
                patch.object(salting, "_HOT", 20),
                behind(database, Cramped, chance.randint(5, 8)),
            ):
                await fold(database, clock)


async def test_a_large_state_is_made_in_pieces_that_give_way_to_answers(
    database: Database,
) -> None:
    clock = FakeClock()
    await arrive(database, clock.now, [event(age=1, user_id=f"u{n}") for n in range(200)])
    clock.advance(seconds=20)
    gave_way = 0

    async def look() -> None:
        nonlocal gave_way
        gave_way += 1
        await assert_exact(database, clock.now)

    with patch.object(states, "_PART", 100):
        await fold(database, clock, look)
    state = (await basis(database, clock.now)).newest.state
    assert state
    assert 4 <= len(state) < gave_way
    await assert_exact(database, clock.now)


async def test_an_hour_s_outage_is_caught_up_in_bounded_steps(database: Database) -> None:
    clock = FakeClock()
    await arrive(database, clock.now, [event(age=0)])
    await fold(database, clock)
    clock.advance(hours=1)
    await arrive(database, clock.now - timedelta(minutes=10), [event(age=0)])
    made = await fold(database, clock)
    assert made == LONGEST / MOST
    await assert_exact(database, clock.now)


async def test_many_pages_and_sessions_spread_over_documents(database: Database) -> None:
    clock = FakeClock()
    pages = [event(age=1, page_url=f"/{n}") for n in range(2500)]
    sessions = [event(age=1, user_id="one", session_id=f"{n}") for n in range(6000)]
    await arrive(database, clock.now - timedelta(seconds=20), pages + sessions)
    await fold(database, clock)
    assert await database.rollups.count_documents({"bucket": {"$ne": None}}) >= 3
    metrics = await compute_metrics(database, clock.now)
    assert (metrics.page_views.total, metrics.page_views.pages) == (8500, 2501)
    assert metrics.active_sessions.users[0].sessions == 6000


async def test_ids_of_many_megabytes_are_counted_all_the_same(database: Database) -> None:
    clock = FakeClock()
    await arrive(database, clock.now - timedelta(seconds=20), [event(age=0)])
    await fold(database, clock)
    wide = "\U0001f6d2" * 120  # of 4 bytes each
    for start in range(0, 50_000, 10_000):
        users = (f"{n:08}{wide}" for n in range(start, start + 10_000))
        await arrive(database, clock.now, [event(age=0, user_id=u, session_id=u) for u in users])
    metrics = await compute_metrics(database, clock.now)
    assert metrics.active_users.count == 50_001
    assert metrics.active_sessions.total == 50_001


async def test_one_user_may_have_more_sessions_than_a_document_holds(database: Database) -> None:
    clock = FakeClock()
    wide = "\U0001f6d2" * 120  # of 4 bytes each

    async def come(numbers: range) -> None:
        guests = [event(age=0, user_id="guest", session_id=f"{n:08}{wide}") for n in numbers]
        await arrive(database, clock.now, [*guests, event(age=0), event(age=0, user_id="other")])

    async def counted() -> list[tuple[str, int]]:
        found = (await compute_metrics(database, clock.now)).active_sessions
        assert found.total == sum(user.sessions for user in found.users)
        return [(user.user_id, user.sessions) for user in found.users]

    await fold(database, clock)
    await come(range(20_000))  # 10 MB
    clock.advance(seconds=10)
    await fold(database, clock)
    assert await counted() == [("guest", 20_000), ("other", 1), ("u", 1)]
    await come(range(15_000, 40_000))
    clock.advance(seconds=2)
    await slice_up(database, clock)
    assert await counted() == [("guest", 40_000), ("other", 1), ("u", 1)]
    clock.advance(seconds=8)
    await fold(database, clock)
    assert (await basis(database, clock.now)).newest.hot == ["guest"]
    await come(range(39_000, 41_000))
    clock.advance(seconds=2)
    await slice_up(database, clock)
    assert await counted() == [("guest", 41_000), ("other", 1), ("u", 1)]

    clock.advance(minutes=4, seconds=50)
    await come(range(2))
    assert await counted() == [("guest", 2_002), ("other", 1), ("u", 1)]
    await fold(database, clock)
    assert await counted() == [("guest", 2_002), ("other", 1), ("u", 1)]
    clock.advance(minutes=6)
    await fold(database, clock)
    assert (await basis(database, clock.now)).newest.hot == []
    assert await counted() == []


async def test_a_lease_has_one_holder_until_it_ends(database: Database) -> None:
    clock = FakeClock()
    first, second = (
        Lease(database.leases, "rollup", timedelta(seconds=30), clock) for _ in range(2)
    )
    assert await first.take()
    assert not await second.take()
    assert await first.take()
    await first.release()
    assert await second.take()
    assert not await first.take()
    clock.advance(seconds=30)
    assert await first.take()


async def test_a_mongodb_that_hangs_up_leaves_the_old_rollups(database: Database) -> None:
    clock = FakeClock()
    await arrive(database, clock.now - timedelta(seconds=30), [event(age=0)])
    await fold(database, clock)
    clock.advance(seconds=10)
    before = await basis(database, clock.now)

    class Broken(Mortal):
        def __getattr__(self, name: str) -> Callable[..., Any]:
            raise AutoReconnect(name)

    rollups, database.rollups = database.rollups, cast("Collection", Broken(database.rollups, 0))
    with pytest.raises(AutoReconnect):
        await fold(database, clock)
    database.rollups = rollups
    assert await basis(database, clock.now) == before
