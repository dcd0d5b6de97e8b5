"""One computation for many viewers, in one process and across processes."""

import asyncio
from typing import Any

import pytest

from shared.metrics import shared_metrics
from shared.metrics.compute import compute_metrics
from shared.metrics.folding import fold
from shared.metrics.rollups import published
from shared.metrics.segments import SETTLE
from shared.metrics.shared_metrics import SharedMetrics
from shared.storage.database import Client, Database
from tests.arrivals import arrive, basis, event
from tests.conftest import FakeClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """List the computations, each of which takes a while."""
    computed = []

    async def compute(database: Database, at: Any) -> Any:
        computed.append(at)
        await asyncio.sleep(0.05)
        return await compute_metrics(database, at)

    monkeypatch.setattr(shared_metrics, "compute_metrics", compute)
    return computed


async def test_many_viewers_of_many_processes_cost_one_computation(
    mongodb: Client, database: Database, computed: list[Any]
) -> None:
    clock = FakeClock()
    processes = [SharedMetrics(Database(mongodb, database.name, 86400), clock) for _ in range(4)]
    answers = await asyncio.gather(*[one.get() for one in processes for _ in range(25)])
    assert len(computed) == 1
    assert {answer.as_of for answer in answers} == {clock.now}
    clock.advance(seconds=1)
    await asyncio.gather(*[one.get() for one in processes])
    assert len(computed) == 2


async def test_whoever_died_computing_is_waited_for_no_longer_than_three_seconds(
    database: Database, computed: list[Any]
) -> None:
    clock = FakeClock()
    dead = SharedMetrics(database, clock)
    assert await dead._lease.take()
    waiting = asyncio.create_task(SharedMetrics(database, clock).get())
    while not waiting.done():
        await asyncio.sleep(0.01)
        clock.advance(seconds=0.5)
    assert len(computed) == 1


async def test_heavy_work_gives_way_to_an_answer_under_way(
    database: Database, computed: list[Any]
) -> None:
    metrics = SharedMetrics(database, FakeClock())
    await metrics.give_way()
    assert not computed
    viewer = asyncio.create_task(metrics.get())
    await asyncio.sleep(0)
    await metrics.give_way()
    assert (await viewer) is await metrics.get()
    assert len(computed) == 1


async def test_a_failed_computation_is_tried_again_by_the_next_reader(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = SharedMetrics(database, FakeClock())

    async def fail(_database: Database, _at: Any) -> Any:
        raise RuntimeError("out of luck")

    with monkeypatch.context() as patch:
        patch.setattr(shared_metrics, "compute_metrics", fail)
        with pytest.raises(RuntimeError):
            await metrics.get()
    assert (await metrics.get()).active_users.count == 0


async def test_an_answer_is_followed_by_a_slice_where_much_has_arrived(
    database: Database,
) -> None:
    clock = FakeClock()
    await fold(database, clock)
    clock.advance(seconds=1)
    await arrive(database, clock.now, [event(age=0)] * 1000)
    clock.advance(seconds=1)
    metrics = SharedMetrics(database, clock)
    await metrics.get()
    assert metrics._tending
    await metrics._tending
    assert (await basis(database, clock.now)).until == clock.now - SETTLE


async def test_readers_roll_up_where_no_schedule_does(database: Database) -> None:
    clock = FakeClock()
    metrics = SharedMetrics(database, clock)
    await metrics.get()
    assert metrics._tending
    await metrics._tending
    assert await published(database, clock.now)
