"""Rate limits: exact to the event in either storage, and fair."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from limits import parse
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from shared.http.problems import BATCH_EXCEEDS_LIMIT, RATE_LIMITED, Problem
from shared.ingest.rate_blocks import BLOCKS, MongoWindows
from shared.ingest.rate_limits import RateLimits, Usage
from shared.ingest.rate_storage import MAX_KEYS, MemoryWindows
from shared.storage.database import Collection, Database
from tests.conftest import FakeClock

pytestmark = pytest.mark.anyio

Sharing = SlidingWindowCounterRateLimiter


class CountedDraws:
    """The collection of limits, with a count of the updates that are asked of it."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self.draws = 0

    def find_one_and_update(self, *arguments: Any, **options: Any) -> Any:
        self.draws += 1
        return self._collection.find_one_and_update(*arguments, **options)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "mongodb"])
def windows(request: pytest.FixtureRequest, database: Database, clock: FakeClock) -> MemoryWindows:
    if request.param == "memory":
        return MemoryWindows(clock)
    return MongoWindows(database.rate_limits, clock)


async def passed(limits: RateLimits, client: str, hits: int, events: int = 1) -> int:
    outcomes = []
    for start in range(0, hits, 100):  # at once; a thousand may outlast a write's deadline
        together = [limits.charge(client, events) for _ in range(min(100, hits - start))]
        outcomes += await asyncio.gather(*together, return_exceptions=True)
    assert [o for o in outcomes if not isinstance(o, dict | Problem)] == []
    return sum(isinstance(outcome, dict) for outcome in outcomes)


class TestBothStorages:
    async def test_a_limit_of_100_lets_exactly_100_of_1000_through(
        self, windows: MemoryWindows
    ) -> None:
        limits = RateLimits(parse("100/minute"), parse("10000/minute"), windows)
        assert await passed(limits, "a", 1000) == 100
        assert await passed(limits, "b", 30, events=4) == 25

    async def test_the_window_slides(self, windows: MemoryWindows, clock: FakeClock) -> None:
        limits = RateLimits(parse("100/minute"), parse("10000/minute"), windows)
        assert await passed(limits, "a", 100) == 100
        clock.advance(seconds=60)  # the 100 weigh in full at the next window's start
        assert await passed(limits, "a", 100) == 0
        clock.advance(seconds=15)
        assert await passed(limits, "a", 100) == 25
        clock.advance(seconds=150)  # two windows on, nothing weighs any more
        assert await passed(limits, "a", 200) == 100

    async def test_the_total_is_shared_and_an_excess_takes_nothing_from_it(
        self, windows: MemoryWindows
    ) -> None:
        limits = RateLimits(parse("30/minute"), parse("50/minute"), windows)
        assert await passed(limits, "a", 100) == 30
        # The last tenth is for those that use least of their own: for "b" as long as it does.
        assert 15 <= await passed(limits, "b", 100) <= 20

    async def test_a_client_by_itself_may_send_nearly_all_at_once_and_is_told_when_again(
        self, windows: MemoryWindows, clock: FakeClock
    ) -> None:
        limits = RateLimits(parse("100/minute"), parse("100/minute"), windows)
        assert await passed(limits, "a", 1, events=90) == 1
        with pytest.raises(Problem) as refused:  # the total has room, which is left to others
            await limits.charge("a", 10)
        clock.advance(seconds=int(refused.value.headers["Retry-After"]))
        assert await passed(limits, "a", 1, events=10) == 1

    async def test_a_batch_above_the_limit_is_told_so(self, windows: MemoryWindows) -> None:
        limits = RateLimits(parse("100/minute"), parse("10000/minute"), windows)
        with pytest.raises(Problem) as refused:
            await limits.charge("a", 101)
        assert refused.value.failure is BATCH_EXCEEDS_LIMIT
        assert "at most 100" in refused.value.detail
        assert await passed(limits, "a", 1, events=100) == 1

    async def test_the_headers_tell_what_is_left_and_when_to_return(
        self, windows: MemoryWindows, clock: FakeClock
    ) -> None:
        limits = RateLimits(parse("100/minute"), parse("10000/minute"), windows)
        headers = await limits.charge("a", 40)
        assert headers == {
            "RateLimit-Policy": '"client";q=100;w=60, "total";q=10000;w=60',
            "RateLimit": '"client";r=60;t=60',
        }
        clock.advance(seconds=30)
        with pytest.raises(Problem) as refused:
            await limits.charge("a", 61)
        assert refused.value.failure is RATE_LIMITED
        wait = int(refused.value.headers["Retry-After"])
        clock.advance(seconds=wait - 1)
        assert await passed(limits, "a", 1, events=61) == 0
        clock.advance(seconds=1)
        assert await passed(limits, "a", 1, events=61) == 1


class TestProcessesThatShare:
    """Several storages on one collection, each asked by the strategy of `limits`."""

    LIMIT = 1000

    @pytest.fixture
    def processes(self, database: Database, clock: FakeClock) -> list[Sharing]:
        return [
            SlidingWindowCounterRateLimiter(MongoWindows(database.rate_limits, clock))
            for _ in range(4)
        ]

    async def let_through(self, process: Sharing, hits: int, cost: int = 1) -> int:
        together = [process.hit(parse(f"{self.LIMIT}/minute"), "a", cost=cost) for _ in range(hits)]
        return cost * sum(await asyncio.gather(*together))

    async def test_let_through_the_limit_to_the_event(
        self, processes: list[Sharing], clock: FakeClock
    ) -> None:
        for expected in (self.LIMIT, self.LIMIT // 4):
            passed = [self.let_through(it, 60, cost) for cost in (7, 1, 10) for it in processes]
            passed += [self.let_through(it, 60) for it in processes]
            assert sum(await asyncio.gather(*passed)) == expected
            clock.advance(seconds=75)

    @pytest.mark.parametrize("spent", [1, 20, 100])
    async def test_refuse_early_by_no_more_than_the_others_hold(
        self, processes: list[Sharing], spent: int
    ) -> None:
        asked, *others = processes
        used = sum([await self.let_through(it, 1) for it in others for _ in range(spent)])
        assert used == 3 * spent
        used += await self.let_through(asked, self.LIMIT)
        held = 3 * min(spent, self.LIMIT // BLOCKS)
        assert self.LIMIT - held <= used <= self.LIMIT
        used += sum([await self.let_through(it, self.LIMIT) for it in others])
        assert used == self.LIMIT

    async def test_what_is_not_spent_ends_with_the_window(
        self, processes: list[Sharing], clock: FakeClock
    ) -> None:
        for _ in range(100):
            await self.let_through(processes[0], 1)
        clock.advance(seconds=120)
        used = sum([await self.let_through(it, self.LIMIT) for it in processes[1:]])
        assert used + await self.let_through(processes[0], self.LIMIT) == self.LIMIT

    async def test_ask_mongodb_a_few_times_a_window(
        self, database: Database, clock: FakeClock
    ) -> None:
        collection = CountedDraws(database.rate_limits)
        process = SlidingWindowCounterRateLimiter(MongoWindows(collection, clock))  # type: ignore[arg-type]
        for draws in (14, 8):  # blocks begin with what the last window took
            collection.draws = 0
            for _ in range(400):
                assert await self.let_through(process, 1) == 1
            assert collection.draws <= draws
            clock.advance(seconds=60)


async def test_the_clients_counted_in_memory_are_bounded(clock: FakeClock) -> None:
    windows = MemoryWindows(clock)
    limits = RateLimits(parse("2/second"), parse("1000000/second"), windows)
    assert await passed(limits, "first", 3) == 2
    for client in range(MAX_KEYS):
        await limits.charge(str(client), 1)
    assert await passed(limits, "first", 3) == 2  # forgotten, unlike the total and the last ones
    assert await passed(limits, str(MAX_KEYS - 1), 3) == 1
    assert await windows.reset() == MAX_KEYS


@pytest.mark.parametrize(
    "damage",
    [
        {"window": 10**12, "current": 10},
        {"window": None, "current": 10},
        {"window": "x", "previous": [], "current": {}},
        {"previous": None, "current": 10},
        {"current": None},
        {"current": float("nan")},
        {"current": float("inf")},
        {"previous": -(10**9), "current": 10},
        {"current": 0, "expires_at": None, "colour": "red"},
    ],
)
async def test_a_damaged_document_heals_at_once(
    database: Database, clock: FakeClock, damage: dict[str, object]
) -> None:
    limits = RateLimits(
        parse("10/minute"), parse("1000/minute"), MongoWindows(database.rate_limits, clock)
    )
    assert await passed(limits, "a", 1) == 1
    await database.rate_limits.update_one({"_id": "client/a"}, {"$set": damage})
    assert await passed(limits, "a", 20) == 10


async def test_a_meek_client_is_served_beside_greedy_ones(clock: FakeClock) -> None:
    limits = RateLimits(parse("100/second"), parse("200/second"), MemoryWindows(clock))
    served: Counter[str] = Counter()
    for millisecond in range(10_000):
        clock.advance(milliseconds=1)
        if millisecond % 5 == 0:
            for greedy in "abcd":  # each twice its own limit, together four times the total
                served[greedy] += await passed(limits, greedy, 1)
        if millisecond % 50 == 0:
            served["meek"] += await passed(limits, "meek", 1)
    assert served["meek"] >= 0.95 * 200  # a third of it without a fair part
    assert sum(served.values()) >= 0.9 * 2000


@pytest.mark.parametrize(
    ("events", "previous", "left", "current", "wait"),
    [
        (1, 100, 1.0, 0, 0.0),
        (50, 100, 1.0, 0, 29.4),
        (1, 0, 1 / 6, 100, 10.0),
        (50, 0, 1 / 6, 100, 39.4),
        (1, 0, 0.5, 1000, 84.0),
    ],
)
def test_the_wait_follows_the_falling_weight(
    events: int, previous: int, left: float, current: int, wait: float
) -> None:
    usage = Usage(previous, left * 60, current, seconds=60)
    assert usage.wait_for(events, limit=100) == pytest.approx(wait)
