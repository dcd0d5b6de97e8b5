"""Snapshots: the document as it was every ten seconds, and the history made of them."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel, Field, ValidationError
from pymongo.errors import DuplicateKeyError

from shared.metrics.engine.metric import Pipeline
from shared.metrics.registry import METRICS, Snapshot
from shared.schema import AsOf
from shared.storage.database import Database, Document, all_of, write_deadline

EVERY: Final = timedelta(seconds=10)
_MAX_POINTS: Final = 360  # an hour at full resolution; a longer history is thinned to this many


class History(BaseModel):
    """`GET /v1/metrics/history`: stored snapshots, oldest first."""

    as_of: AsOf
    minutes: int = Field(description="how far back was asked for", examples=[60])
    snapshots: list[Snapshot] = Field(description="oldest first")  # type: ignore[valid-type]


def due_at(now: datetime) -> datetime:
    """Return the newest instant that a snapshot is due for: a whole multiple of 10 s."""
    return datetime.fromtimestamp(now.timestamp() // EVERY.seconds * EVERY.seconds, UTC)


async def store_snapshot(database: Database, document: Document) -> bool:
    """Store the document as the snapshot that is due; return False if somebody has done so."""
    parts = {metric.name: document[metric.name] for metric in METRICS if metric.totals}
    at = document["as_of"]
    try:
        async with write_deadline():
            await database.snapshots.insert_one({"_id": due_at(at), "as_of": at, **parts})
    except DuplicateKeyError:
        return False
    return True


async def read_history(
    database: Database, at: datetime, minutes: int, after: datetime | None
) -> History:
    """Read the snapshots of the last `minutes`, those later than `after`, thinned to about 360."""
    step = max(EVERY.seconds, minutes * 60 // _MAX_POINTS)
    since = max(at - timedelta(minutes=minutes), after or datetime.min.replace(tzinfo=UTC))
    found = await all_of(database.snapshots, _history(since, at, step))
    snapshots = [s for s in map(_readable, found) if s]
    return History(as_of=at, minutes=minutes, snapshots=snapshots)


def _history(since: datetime, at: datetime, step_seconds: int) -> Pipeline:
    """List the snapshots in `(since, at]`, oldest first, the last of each `step_seconds`."""
    rankings = {f"{m.name}.{m.ranking.field}": 0 for m in METRICS if m.ranking}
    milliseconds = {"$toLong": "$as_of"}
    step = {"$subtract": [milliseconds, {"$mod": [milliseconds, step_seconds * 1000]}]}
    return [
        {"$match": {"as_of": {"$gt": since, "$lte": at}}},
        {"$project": rankings},
        {"$sort": {"as_of": 1}},
        {"$group": {"_id": step, "snapshot": {"$last": "$$ROOT"}}},
        {"$sort": {"_id": 1}},
        {"$replaceRoot": {"newRoot": "$snapshot"}},
    ]


def _readable(document: Document) -> BaseModel | None:
    """Return what of a stored snapshot this release understands, or None."""
    parts: dict[str, Any] = {"as_of": document["as_of"]}
    for metric in METRICS:
        if metric.totals and metric.name in document:
            try:
                parts[metric.name] = metric.totals.model_validate(document[metric.name])
            except ValidationError:
                continue
    return Snapshot(**parts) if len(parts) > 1 else None
