"""Slices: what arrived since the newest rollup is counted once, and nothing else changes."""

from datetime import timedelta
from random import Random
from typing import Any
from unittest.mock import patch

import pytest

from shared.metrics import slices, states
from shared.metrics.basis import Basis, sound
from shared.metrics.folding import fold
from shared.metrics.rollups import published
from shared.metrics.segments import SETTLE
from shared.metrics.slices import make_slices
from shared.storage.database import Database
from tests.arrivals import arrive, assert_exact, basis, event, slice_up
from tests.conftest import FakeClock

pytestmark = pytest.mark.anyio


@pytest.fixture
async def clock(database: Database) -> FakeClock:
    """Stand 4 s after the end of a rollup, with an event at each second between."""
    clock = FakeClock()
    clock.advance(seconds=-(clock.now.timestamp() % 5) + 1)
    await fold(database, clock)
    for _ in range(3):
        await arrive(database, clock.now, [event(age=0)])
        clock.advance(seconds=1)
    return clock


async def test_all_that_has_settled_is_sliced(database: Database, clock: FakeClock) -> None:
    await slice_up(database, clock)
    assert (await basis(database, clock.now)).until == clock.now - SETTLE
    [only] = (await basis(database, clock.now)).slices
    assert only.events == 3
    await assert_exact(database, clock.now)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("in_a_part", [states._PART, 20])
@pytest.mark.parametrize("users", [12, 200])  # of whom most do something, and few
async def test_slices_are_exact_whoever_did_something_since(
    database: Database, seed: int, in_a_part: int, users: int
) -> None:
    chance = Random(seed)
    clock = FakeClock()

    async def come(count: int) -> None:
        await arrive(database, clock.now, [of_somebody() for _ in range(count)])

    def of_somebody() -> dict[str, Any]:
        age = chance.choice([0.0, chance.uniform(0, 20), chance.uniform(285, 305)])
        fields = event(age=age, user_id=f"u{chance.randrange(users)}")
        session = chance.randrange(6)
        del fields["session_id"]
        return fields | {"session_id": f"{session}"} if session else fields

    clock.advance(seconds=-2)
    await come(80)
    clock.advance(seconds=6)
    with patch.object(states, "_PART", in_a_part):
        await fold(database, clock)
    for _ in range(5):
        await come(12)
        clock.advance(milliseconds=chance.randrange(300, 1500))
        with patch.object(slices, "_ROWS", 2):
            await slice_up(database, clock)
        for ahead in (0, 3, 10):
            await assert_exact(database, clock.now + timedelta(seconds=ahead))
    assert len((await basis(database, clock.now)).slices) > 2


async def test_little_is_not_worth_a_slice(database: Database, clock: FakeClock) -> None:
    [newest] = await published(database, clock.now, most=1)
    await make_slices(database, newest, clock.now)
    assert not (await basis(database, clock.now)).slices
    await assert_exact(database, clock.now)


async def test_slices_end_where_a_rollup_may_end(database: Database, clock: FakeClock) -> None:
    await slice_up(database, clock)
    clock.advance(seconds=4)
    await arrive(database, clock.now - timedelta(seconds=1.5), [event(age=0)])
    await slice_up(database, clock)
    before = await basis(database, clock.now)
    assert len(before.slices) == 3
    await fold(database, clock)
    after = await basis(database, clock.now)
    assert after.newest.until == before.slices[1].until
    assert after.slices == before.slices[2:]
    await assert_exact(database, clock.now)


async def test_a_slice_that_missed_an_event_serves_nobody(
    database: Database, clock: FakeClock
) -> None:
    for _ in range(3):
        await slice_up(database, clock)
        clock.advance(milliseconds=400)
    whole = await basis(database, clock.now)
    missed = whole.slices[1]
    await arrive(database, missed.until, [event(age=0, page_url="/late")])
    assert await sound(database, whole, clock.now) == Basis(whole.chain, whole.slices[:1])
    await assert_exact(database, clock.now)


async def test_slices_of_two_processes_serve_together(database: Database, clock: FakeClock) -> None:
    [newest] = await published(database, clock.now, most=1)
    await slice_up(database, clock)
    await arrive(database, clock.now - timedelta(milliseconds=900), [event(age=0)])
    await database.rollups.update_many({"kind": "slice"}, {"$set": {"kind": "hidden"}})
    clock.advance(milliseconds=300)
    await slice_up(database, clock)
    await database.rollups.update_many({"kind": "hidden"}, {"$set": {"kind": "slice"}})
    [longest] = (await basis(database, clock.now)).slices
    assert (longest.since, longest.until) == (newest.until, clock.now - SETTLE)
    await assert_exact(database, clock.now)
