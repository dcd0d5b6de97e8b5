"""Reading what was: snapshots, the comparison with them, and whole minutes."""

from datetime import datetime, timedelta

import pytest

from functions.rollup import run
from shared.metrics.current import RebuildingError
from shared.metrics.registry import METRICS
from shared.metrics.snapshots import store_snapshot
from tests.conftest import Service

pytestmark = pytest.mark.anyio


async def test_each_metric_is_in_the_history(service: Service) -> None:
    await service.send(*[service.event(page_url=f"/{n}", session_id=f"{n}") for n in range(4)])
    metrics = await service.get("/v1/metrics")
    [snapshot] = (await service.get("/v1/metrics/history"))["snapshots"]
    for metric in METRICS:
        if metric.ranking:
            del metrics[metric.name][metric.ranking.field]
    del metrics["comparison"]  # of snapshots, which would hold each other
    assert snapshot == metrics


async def test_a_comparison_is_with_the_snapshots_nearest_to_15_minutes_and_a_day_before(
    service: Service,
) -> None:
    start = service.clock.now
    for seconds, views in ((0, 1), (240, 2), (86_400 - 905, 3), (86_400 - 870, 4)):
        service.clock.now = start + timedelta(seconds=seconds)
        events = [service.event(user_id=f"u{n}", session_id="s") for n in range(views)]
        assert (await service.send(*events, service.event(page_url="/b"))).status_code == 202
        await run(service.resources)
    service.clock.now = start + timedelta(hours=24)
    await service.send(service.event(page_url="/a"), service.event())
    comparison = (await service.get("/v1/metrics"))["comparison"]
    assert comparison == {
        "previous": {
            "as_of": "2026-11-23T14:14:55.000Z",
            "active_users": 4,
            "page_views": 4,
            "active_sessions": 3,
            "pages": {"/": 3, "/b": 1},
        },
        "yesterday": {
            "as_of": "2026-11-22T14:30:00.000Z",
            "active_users": 2,
            "page_views": 2,
            "active_sessions": 1,
            "pages": {"/": 1, "/b": 1},
        },
    }


async def test_minutes_are_whole_and_the_newest_is_running(service: Service) -> None:
    service.clock.advance(seconds=20)
    await service.send(
        service.event(ago=20), service.event(ago=20.001, event_type="x"), service.event(ago=200)
    )
    answer = await service.get("/v1/metrics/per-minute", params={"minutes": 4})
    assert answer == {
        "as_of": "2026-11-22T14:30:20.000Z",
        "minutes": [
            {"minute": f"2026-11-22T14:{minute}:00.000Z"} | counts
            for minute, counts in (
                (27, {"events": 1, "page_views": 1, "complete": True}),
                (28, {"events": 0, "page_views": 0, "complete": True}),
                (29, {"events": 1, "page_views": 0, "complete": True}),
                (30, {"events": 1, "page_views": 1, "complete": False}),
            )
        ],
    }
    assert len((await service.get("/v1/metrics/per-minute"))["minutes"]) == 30


async def test_minutes_whose_steps_take_too_long_to_rebuild_are_a_503_that_says_how_far(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rebuild(_at: datetime, _reach: timedelta) -> None:
        raise RebuildingError(12, 720)

    monkeypatch.setattr(service.resources.metrics, "rebuild", rebuild)
    response = await service.client.get("/v1/metrics/per-minute", params={"minutes": 60})
    assert (response.status_code, response.json()["type"]) == (503, "/docs#rebuilding")
    assert "12 of 720" in response.json()["detail"]
    assert response.headers["Retry-After"]


async def test_history_holds_stored_snapshots_oldest_first(service: Service) -> None:
    taken: list[datetime] = []
    for n in range(8):
        await service.send(service.event(user_id=f"u{n}"))
        service.clock.advance(seconds=10)
        for _ in range(2):
            await run(service.resources)
        taken.append(service.clock.now)
    history = await service.get("/v1/metrics/history", params={"minutes": 1})
    assert [s["active_users"]["count"] for s in history["snapshots"]] == [3, 4, 5, 6, 7, 8]
    assert [s["as_of"] for s in history["snapshots"]] == [
        at.isoformat(timespec="milliseconds").replace("+00:00", "Z") for at in taken[2:]
    ]
    later = await service.get(
        "/v1/metrics/history", params={"after": history["snapshots"][3]["as_of"]}
    )
    assert later["snapshots"] == history["snapshots"][4:]
    refused = await service.client.get("/v1/metrics/history", params={"after": "yesterday"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["code"] == "bad_after"


async def test_a_long_history_is_thinned(service: Service) -> None:
    document = await service.resources.metrics.get()
    for n in range(1, 50):
        at = service.clock.now - timedelta(seconds=10 * n)
        await store_snapshot(service.resources.database, document | {"as_of": at})
    snapshots = (await service.get("/v1/metrics/history", params={"minutes": 1440}))["snapshots"]
    assert [s["as_of"][11:19] for s in snapshots] == ["14:23:50", "14:27:50", "14:30:00"]
