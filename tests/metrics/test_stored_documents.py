"""Documents that this release did not write: ignored or rebuilt, and never a failure."""

from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from shared.metrics.engine import counts
from shared.metrics.engine.last_seen import LastSeen
from shared.metrics.engine.metric import EPOCH, fingerprint
from shared.metrics.registry import METRICS, indexes
from tests.conftest import Service

pytestmark = pytest.mark.anyio

ROUTES: Final = (
    *(metric.path for metric in METRICS if metric.ranking),  # the rest is as in:
    "/v1/metrics",
    "/v1/metrics/per-minute",
    "/v1/metrics/history",
    "/v1/metrics/active-sessions/u1",
    "/v1/rejections",
    "/metrics",
    "/readyz",
)
WRONG: Final[tuple[Any, ...]] = (
    None,
    "text",
    -1,
    [],
    {"a": 1},
    EPOCH,
    datetime(2999, 1, 1, tzinfo=EPOCH.tzinfo),
)


@pytest.mark.parametrize("wrong", [*WRONG, "missing"], ids=repr)
async def test_no_route_fails_for_a_document_with_any_field_missing_or_of_another_type(
    service: Service, wrong: object
) -> None:
    """One field of each collection at a time, until each has had its turn."""
    database = service.resources.database
    names = ["snapshots", "latest", "leases", "rejections", *indexes()]
    for n in range(40):
        events = [service.event(user_id=f"u{n % 7}", session_id="s", page_url=f"/{n % 5}"), {}]
        assert (await service.send(*events)).status_code == 202
        service.clock.advance(seconds=5)
        if n % 3 == 0:
            await service.resources.metrics.get()
    before = {name: await database.collection(name).find({}).to_list(None) for name in names}
    fields = {
        name: sorted({field for document in documents for field in document} - {"_id"})
        for name, documents in before.items()
    }
    assert all(fields.values())
    for turn in range(max(map(len, fields.values()))):
        changed = {name: of[turn % len(of)] for name, of in fields.items()}
        for name, field in changed.items():
            change = {"$unset": {field: 1}} if wrong == "missing" else {"$set": {field: wrong}}
            await database.collection(name).update_many({field: {"$exists": True}}, change)
        service.clock.advance(seconds=5)
        for route in ROUTES:
            response = await service.client.get(route)
            assert response.status_code == 200, (changed, route, response.text)
        for name, documents in before.items():
            await database.collection(name).delete_many({})
            await database.collection(name).insert_many(documents)


async def test_what_another_release_stored_is_not_shown(service: Service) -> None:
    await service.send(service.event())
    await service.get("/v1/metrics")
    latest = service.resources.database.latest
    await latest.update_many({}, {"$set": {"active_users.count": 99}})
    other = service.resources.metrics
    other._latest = None
    assert (await service.get("/v1/metrics"))["active_users"]["count"] == 99, "ours is taken"
    document = await latest.find_one({})
    assert document
    await latest.delete_many({})
    await latest.insert_one(document | {"_id": "another release"})
    other._latest = None
    assert (await service.get("/v1/metrics"))["active_users"]["count"] == 1
    assert await latest.count_documents({}) == 2, "the other release keeps its own"


def test_a_collection_is_named_after_what_is_written_into_it() -> None:
    collections = {
        LastSeen("last_seen", window=timedelta(minutes=5), **fields).collection
        for fields in ({}, {"times": {"bought_at": "$occurred_at"}}, {"key": {"a": 1}})
    }
    assert len(collections) == 3
    assert f"steps_{fingerprint(counts.counted(EPOCH))}" == counts.COLLECTION
