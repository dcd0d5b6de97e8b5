"""Windows with more in them than one document, one pipeline or one read may hold."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest

from shared import deadlines
from shared.metrics.current import CurrentMetrics, RebuildingError
from shared.metrics.engine import counts, last_seen
from shared.metrics.sessions import SESSIONS
from shared.storage.database import Database
from tests.arrivals import arrive, assert_exact, event, stored, tapped, tick
from tests.conftest import FakeClock
from tests.oracle import expected_metrics

pytestmark = pytest.mark.anyio

WIDE = "\U0001f6d2"  # four bytes
LONG_ID = WIDE * 120
LONG_URL = "/" + WIDE * 2000  # 8 KB


async def arrive_many(database: Database, clock: FakeClock, events: Iterator[Any]) -> None:
    while some := list(islice(events, 5000)):
        await database.events.insert_many(stored(clock.now, some), ordered=False)


@pytest.mark.parametrize(
    ("events", "pages", "users", "sessions"),
    [
        ((event(age=1, session_id=f"{n}") for n in range(60_000)), 1, 1, 60_000),
        ((event(age=1, page_url=f"/{n}") for n in range(100_000)), 100_000, 1, 1),
        ((event(age=1, page_url=f"{LONG_URL}{n}") for n in range(120)), 120, 1, 1),
        (
            (
                event(age=1, user_id=f"{LONG_ID}{n}", session_id=f"{LONG_ID}{n}")
                for n in range(9_000)
            ),
            1,
            9_000,
            9_000,
        ),
    ],
    ids=["sessions of one user", "pages", "pages of 8 KB", "ids of 128 four-byte characters"],
)
async def test_what_one_document_could_not_hold_is_counted(
    database: Database, events: Iterator[Any], pages: int, users: int, sessions: int
) -> None:
    clock = FakeClock()
    await arrive_many(database, clock, events)
    clock.advance(seconds=1)
    document = await tick(database, clock.now)
    assert document["page_views"]["pages"] == pages
    assert document["page_views"]["unranked"] == 0
    assert document["active_users"]["count"] == users
    assert document["active_sessions"]["total"] == sessions


@pytest.mark.parametrize(
    "rare",
    [
        [event(age=1, page_url=f"/{n}") for n in range(50_000)],
        [event(age=1, page_url=f"{LONG_URL}{n}") for n in range(3_000)],
        [event(age=n % 800, page_url=f"/{n}") for n in range(20_000)],
        [event(age=1, event_type=f"{n:064}") for n in range(20_000)],
    ],
    ids=["pages", "pages of 8 KB", "pages of a quarter of an hour", "types"],
)
async def test_what_there_is_no_room_for_is_counted_together(
    database: Database, rare: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "ROOM", 1 << 18)
    clock = FakeClock()
    known = [event(age=n % 600, page_url=f"/shop/{n % 100}") for n in range(3_000)]
    await arrive_many(database, clock, iter(rare + known))
    clock.advance(seconds=1)
    shown = await tick(database, clock.now)
    views, events = shown["page_views"], shown["events"]
    expected = expected_metrics(await database.events.find({}).to_list(None), clock.now)
    assert (views["total"], events["total"]) == (expected["views"], expected["events"])
    assert events["by_type"]["page_view"] == expected["views"]
    assert [(row["page_url"], row["views"]) for row in views["top"]] == expected["pages"][:100]
    # Each of the rare ones is told apart, or one of those that are not.
    assert views["pages"] + views["unranked"] == expected["distinct_pages"]
    assert events["types"] + events["unlisted"] == len(expected["by_type"])
    assert views["unranked"] + events["unlisted"] > len(rare) / 2


async def test_room_is_for_the_pages_with_most_views_and_then_the_shortest(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {"/b": 3, "/c": 2, "/a/long": 1, "/z": 1}
    sizes = {"/b": 24, "/c": 48, "/z": 72, "/a/long": 116}  # with those before it
    for room, told_apart in enumerate(sizes, start=1):
        monkeypatch.setattr(counts, "ROOM", sizes[told_apart])
        clock = FakeClock()
        clock.advance(hours=room)
        await arrive(
            database,
            clock.now,
            [event(age=0, page_url=page) for page, n in pages.items() for _ in range(n)],
        )
        views = (await tick(database, clock.now))["page_views"]
        assert (views["total"], views["pages"]) == (7, room)
        shown = {row["page_url"] for row in views["top"]}
        assert told_apart in shown
        assert views["unranked"] == sum(n for page, n in pages.items() if page not in shown)


async def test_a_first_tick_on_a_full_window_keeps_each_piece_that_it_made(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_seen, "MAX_UPSERTED", 20)
    clock = FakeClock()
    for n in range(90):
        await arrive(database, clock.now, [event(age=0, user_id=f"u{n}")] * 2)
        clock.advance(seconds=10)
    kept = []
    for operations in (60, 60, 25):

        def die(_operation: str, left: list[int] = [operations]) -> None:  # noqa: B006 - a count
            left[0] -= 1
            if left[0] < 0:
                raise RuntimeError("killed")

        with pytest.raises(RuntimeError):
            await CurrentMetrics(tapped(database, die), clock).get()
        clock.advance(seconds=7)  # the lease of the dead
        steps = await database.collection(counts.COLLECTION).count_documents({})
        mark = await database.collection(SESSIONS.collection).find_one({"_id": 0})
        kept.append((steps, mark["up_to"] if mark else clock.now - timedelta(hours=1)))
    assert kept == sorted(kept)
    assert kept[0][0] > 40
    await assert_exact(database, await CurrentMetrics(database, clock).get())


async def test_after_an_hour_without_ticks_only_the_window_is_made(database: Database) -> None:
    clock = FakeClock()
    await arrive(database, clock.now, [event(age=0)])
    await tick(database, clock.now)
    clock.advance(hours=1)
    await arrive(database, clock.now - timedelta(minutes=10), [event(age=0)])
    made = 0

    def told(operation: str) -> None:
        nonlocal made
        made += operation == "aggregate"

    await assert_exact(database, await tick(tapped(database, told), clock.now))
    assert made < 25  # one step of 180 is not empty


async def test_who_waits_too_long_is_told_how_far_the_rebuild_is(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    ages = range(0, 900, 5)
    came = [stored(clock.now - timedelta(seconds=age), [event(age=0)])[0] for age in ages]
    await database.events.insert_many(came)
    metrics = CurrentMetrics(database, clock)
    hold = asyncio.Event()
    make = metrics._ticker._steps.make

    async def make_slowly(step: Any) -> Any:
        if step > clock.now - timedelta(minutes=5):
            await hold.wait()
        return await make(step)

    monkeypatch.setattr(metrics._ticker._steps, "make", make_slowly)
    monkeypatch.setattr(deadlines, "READ", 3)
    with pytest.raises(RebuildingError, match=r"1\d\d of 180 steps"):
        await metrics.get()
    with pytest.raises(RebuildingError, match=r"1\d\d of 180 steps"):
        await metrics.rebuild(clock.now, timedelta(minutes=15))
    hold.set()
    await assert_exact(database, await metrics.get())


async def test_who_waits_too_long_for_what_is_counted_is_told_so(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    metrics = CurrentMetrics(database, clock)
    hold = asyncio.Event()
    read = metrics._ticker._read

    async def read_slowly(*wanted: Any) -> Any:
        await hold.wait()
        return await read(*wanted)

    monkeypatch.setattr(metrics._ticker, "_read", read_slowly)
    monkeypatch.setattr(deadlines, "READ", 3)
    with pytest.raises(RebuildingError, match=r"(\d+) of \1 steps .* adding them up takes longer"):
        await metrics.get()
    hold.set()
    await assert_exact(database, await metrics.get())
