"""What a tick costs, watched and unwatched, beside the reference in the same seconds."""

import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pymongo
import pymongo.database
from bson import ObjectId

from bench.barest import Barest
from bench.rig import table
from shared.metrics import registry
from shared.metrics.active_sessions import ACTIVE_SESSIONS
from shared.metrics.active_users import ACTIVE_USERS
from shared.metrics.engine.tick import Ticker
from shared.metrics.page_views import PAGE_VIEWS
from shared.schema import PAGE_VIEW
from shared.storage.database import Database, Document, connect, indexes
from shared.storage.embedded_mongod import embedded_mongod
from shared.windows import ACTIVE, VIEWS

AHEAD: Final = timedelta(hours=1)  # of the real clock, by which TTL deletes
WATCHED: Final = 15  # ticks, one a second
UNWATCHED: Final = 4  # ticks, one every ten seconds
ALIKE: Final = (ACTIVE_USERS, PAGE_VIEWS, ACTIVE_SESSIONS)  # what the reference answers, too
PLAIN: Final = 1_000  # events a second up to which plain pipelines are tried
Event = tuple[str, str]  # user, session
Plain = pymongo.database.Database[Document]


@dataclass(frozen=True)
class Scenario:
    """A load: so many events a second, by whom, on how many pages; filled for `span` seconds."""

    name: str
    rate: int
    who: Callable[[random.Random, float], Event]
    pages: int = 500
    span: int = 900


def _of(users: int, sessions: int) -> Callable[[random.Random, float], Event]:
    def who(chance: random.Random, _t: float) -> Event:
        user = chance.randrange(users)
        return f"usr_{user}", f"sess_{user}_{chance.randrange(sessions)}"

    return who


def _passing(chance: random.Random, t: float) -> Event:
    """Return one of 50,000 users of these 100 s, with one session each: 190,000 in 5 minutes."""
    place = chance.randrange(50_000)
    generation = int((t + place * 0.002) // 100)
    return f"usr_{place}_{generation}", f"sess_{place}_{generation}"


SCENARIOS: Final = (
    Scenario("100/s, 5,000 users", 100, _of(5_000, 2)),
    Scenario("1,000/s, 20,000 users, 3 sessions", 1_000, _of(20_000, 3)),
    Scenario("1,000/s, 10,000 pages", 1_000, _of(20_000, 3), pages=10_000),
    Scenario("5,000/s, 20,000 users, 17 sessions", 5_000, _of(20_000, 17), span=300),
    Scenario("5,000/s, 190,000 users", 5_000, _passing, span=300),
)


@dataclass
class Cost:
    """What the ticks of one engine took."""

    took: list[float] = field(default_factory=list)  # ms
    processor: float = 0.0  # seconds of mongod

    def text(self, seconds: float) -> str:
        """Return the median, and the share of a core of mongod over so many seconds."""
        return f"{statistics.median(self.took):,.0f} ms, {self.processor / seconds:.1%}"


def ticks() -> None:
    """Measure ticks, watched (one a second) and unwatched (one in ten), beside the reference."""
    wanted = os.environ.get("BENCH_SCENARIOS", "01234")
    table(
        [
            *("load", "watched: ours", "reference", "time", "mongod"),
            *("unwatched: ours", "reference", "time", "mongod", "first tick: ours", "reference"),
            *("a plain pipeline a metric", "ratio"),
        ],
        (_alone(it) for number, it in enumerate(SCENARIOS) if str(number) in wanted),
    )


def _alone(scenario: Scenario) -> list[str]:
    """Measure on a mongod of its own."""
    with tempfile.TemporaryDirectory() as folder, embedded_mongod(Path(folder)) as uri:
        return asyncio.run(_measure(uri, scenario))


async def _measure(uri: str, scenario: Scenario) -> list[str]:
    chance = random.Random(7)
    start = datetime.now(UTC).replace(second=0, microsecond=0) + AHEAD
    client, plain = connect(uri), pymongo.MongoClient[dict[str, Any]](uri, tz_aware=True)
    database = Database(client, "bench", indexes(86_400) | registry.indexes())
    await database.ensure_indexes()
    now = start
    alike = os.environ.get("BENCH_METRICS") == "alike"
    ticker = Ticker(database, ALIKE if alike else registry.METRICS, lambda: now)
    barest = Barest(plain.bench)

    def processor() -> float:
        used = plain.admin.command("serverStatus")["extra_info"]
        return float(used["user_time_us"] + used["system_time_us"]) / 1e6

    async def theirs() -> Any:  # noqa: ANN401 - whatever it answers
        return barest.tick(now)

    async def timed(cost: Cost, tick: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401
        before, started = processor(), time.perf_counter()
        answer = await tick()
        cost.took.append((time.perf_counter() - started) * 1000)
        cost.processor += processor() - before
        return answer

    clock = float(scenario.span)
    _fill(plain.bench, scenario, chance, start, (0.0, clock))
    now = start + timedelta(seconds=clock)
    row = [scenario.name]
    first = Cost(), Cost()
    for cost, tick in zip(first, (ticker.tick, theirs), strict=True):
        await timed(cost, tick)
    for count, step in ((WATCHED, 1), (UNWATCHED, 10)):
        ours, reference = Cost(), Cost()
        for n in range(count):
            _fill(plain.bench, scenario, chance, start, (clock, clock + step))
            clock += step
            now = start + timedelta(seconds=clock)
            turns = [(ours, ticker.tick), (reference, theirs)]
            answers = {id(c): await timed(c, t) for c, t in (turns if n % 2 else turns[::-1])}
        _same(answers[id(ours)], answers[id(reference)])
        medians = [statistics.median(cost.took) for cost in (ours, reference)]
        row += [ours.text(count * step), reference.text(count * step)]
        row += [f"{medians[0] / medians[1]:.2f}", f"{ours.processor / reference.processor:.2f}"]
        if step == 1:
            answer = medians[0]
    row += [f"{cost.took[0] / 1000:.1f} s" for cost in first]
    plainly = _plainly(plain.bench, now) if scenario.rate <= PLAIN else None
    row += [f"{plainly:,.0f} ms", f"{plainly / answer:.0f}"] if plainly else ["not tried", ""]
    await database.close()
    plain.close()
    return row


def _plainly(database: Plain, at: datetime) -> float:
    """Return the ms of what one would do without rollups: one pipeline a metric, in turn."""
    in_views = {"occurred_at": {"$gt": at - VIEWS, "$lte": at}}
    in_active = {"occurred_at": {"$gt": at - ACTIVE, "$lte": at}}
    most_first: Document = {"$sort": {"count": -1, "_id": 1}}
    of_page = {"$group": {"_id": "$page_url", "count": {"$sum": 1}}}
    of_type = {"$group": {"_id": "$event_type", "count": {"$sum": 1}}}
    of_user = {"$group": {"_id": "$user_id", "sessions": {"$addToSet": "$session_id"}}}
    sessions: Document = {"$project": {"count": {"$size": "$sessions"}}}
    pipelines: list[list[Document]] = [
        [{"$match": in_active}, {"$group": {"_id": "$user_id"}}, {"$count": "users"}],
        [{"$match": in_views | {"event_type": PAGE_VIEW}}, of_page, most_first, {"$limit": 5}],
        [{"$match": in_active}, of_user, sessions, most_first, {"$limit": 10}],
        [{"$match": in_views}, of_type],
    ]
    took = []
    for _ in range(3):
        started = time.perf_counter()
        for pipeline in pipelines:
            list(database.events.aggregate(pipeline))
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


def _same(ours: dict[str, Any], reference: dict[str, Any]) -> None:
    users = [(row["user_id"], row["sessions"]) for row in ours["active_sessions"]["users"]]
    pages = [(row["page_url"], row["views"]) for row in ours["page_views"]["top"]]
    theirs = reference["users"]["users"], reference["views"]["top"]
    assert users == [(row["_id"], row["sessions"]) for row in theirs[0]]  # noqa: S101
    assert pages == [(row["_id"]["p"], row["n"]) for row in theirs[1]]  # noqa: S101
    assert ours["active_users"]["count"] == reference["users"]["active"][0]["users"]  # noqa: S101


def _fill(
    database: Plain,
    scenario: Scenario,
    chance: random.Random,
    start: datetime,
    stretch: tuple[float, float],
) -> None:
    begin, end = stretch  # seconds after `start`
    documents = []
    for n in range(round((end - begin) * scenario.rate)):
        t = begin + (n + 1) / scenario.rate
        at = start + timedelta(milliseconds=round(t * 1000))
        late = timedelta(milliseconds=chance.randrange(800_000) if chance.random() < 0.01 else 0)
        user, session = scenario.who(chance, t)
        documents.append(
            {
                "_id": ObjectId(),
                "timestamp": at - late,
                "user_id": user,
                "event_type": "page_view" if chance.random() < 0.8 else "add_to_cart",
                "page_url": f"/products/{int(chance.paretovariate(1)) % scenario.pages}",
                "session_id": session,
                "received_at": at,
                "occurred_at": at - late,
            }
        )
        if len(documents) == 5000:
            database.events.insert_many(documents, ordered=False)
            documents = []
    if documents:
        database.events.insert_many(documents, ordered=False)
