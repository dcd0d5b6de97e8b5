"""Segments: the arrivals of a few seconds, counted by page and type."""

from datetime import UTC, datetime, timedelta
from typing import Final

from bson import ObjectId

from shared.metrics import pipelines
from shared.storage.database import Database, first_of, run_to_end

STEP: Final = timedelta(seconds=5)  # of arrivals in the segment of a rollup
SETTLE: Final = timedelta(seconds=1)  # most writes have landed by then; the audit finds the others


def settled_at(now: datetime) -> datetime:
    """Give the newest whole multiple of `STEP` whose arrivals have had time to land."""
    return _step_begin(now - SETTLE)


def step_end(instant: datetime) -> datetime:
    """Give the first whole multiple of `STEP` after an instant."""
    return _step_begin(instant) + STEP


def _step_begin(instant: datetime) -> datetime:
    return datetime.fromtimestamp(instant.timestamp() // STEP.seconds * STEP.seconds, UTC)


async def make_segment(
    database: Database, since: datetime, until: datetime, expires_at: datetime
) -> tuple[ObjectId, int]:
    """Count the events that arrived in `(since, until]`; give the counts' owner and how many."""
    owner = ObjectId()
    await run_to_end(database.events, pipelines.segment_of_views(since, until, owner, expires_at))
    added = {"$group": {"_id": None, "events": {"$sum": "$events"}}}
    found = await first_of(database.rollups, [{"$match": {"owner": owner}}, added])
    return owner, found.get("events", 0)
