"""Events that have arrived, and what every metric must be then."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from shared.http.parameters import MAX_LISTED
from shared.metrics.basis import Basis, basis_at
from shared.metrics.compute import compute_metrics
from shared.metrics.rollups import published
from shared.metrics.slices import make_slices
from shared.storage.database import Database
from tests.conftest import FakeClock
from tests.oracle import expected_metrics, shown_metrics


def event(**fields: Any) -> dict[str, Any]:
    """Make a page view, for `arrive`; `age` is in seconds."""
    return {"user_id": "u", "event_type": "page_view", "page_url": "/", "session_id": "s"} | fields


async def arrive(database: Database, at: datetime, ages: Sequence[dict[str, Any]]) -> None:
    """Store events that arrived at `at`, as the event log would."""
    documents = []
    for fields in ages:
        occurred_at = at - timedelta(seconds=fields["age"])
        document = {
            "_id": ObjectId(),
            **{name: value for name, value in fields.items() if name != "age"},
            "received_at": at,
            "occurred_at": occurred_at,
        }
        if occurred_at <= at - timedelta(minutes=15):
            document["late"] = True
        documents.append(document)
    if documents:
        await database.events.insert_many(documents)


async def slice_up(database: Database, clock: FakeClock) -> None:
    """Slice however little has arrived."""
    for newest in await published(database, clock.now, most=1):
        await make_slices(database, newest, clock.now, worth=0)


async def basis(database: Database, at: datetime) -> Basis:
    """Give what an answer rests on, which must be there."""
    found = await basis_at(database, at)
    assert found
    return found


async def shown(database: Database, at: datetime) -> dict[str, Any]:
    """Compute every metric and bring it into the oracle's form."""
    metrics = (await compute_metrics(database, at)).model_dump()
    return shown_metrics(metrics, metrics, metrics)


async def assert_exact(database: Database, at: datetime) -> None:
    """Hold every metric against a brute-force count."""
    expected = expected_metrics(await database.events.find({}).to_list(None), at)
    for ranking in ("pages", "users"):
        expected[ranking] = expected[ranking][:MAX_LISTED]
    assert await shown(database, at) == expected
