"""Events and page views by whole minute of event time, from the steps."""

from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import BaseModel, Field

from shared.metrics.current import CurrentMetrics
from shared.metrics.engine import counts
from shared.metrics.engine.metric import Pipeline
from shared.metrics.engine.window import running
from shared.schema import AsOf, Instant
from shared.storage.database import Database, all_of

_MINUTE: Final = timedelta(minutes=1)


class MinuteCount(BaseModel):
    """What happened in one minute."""

    minute: Instant = Field(description="when it began, UTC", examples=["2026-11-22T14:30:00.000Z"])
    events: int = Field(description="events of every type", examples=[1203])
    page_views: int = Field(description="page views among them", examples=[980])
    complete: bool = Field(description="false: the minute is running", examples=[False])


class PerMinute(BaseModel):
    """`GET /v1/metrics/per-minute`: whole minutes of event time, oldest first, each present."""

    as_of: AsOf
    minutes: list[MinuteCount] = Field(description="oldest first; the last is running")


def _minutes(first: datetime, at: datetime) -> Pipeline:
    """Add up the minutes from `first` on, from steps and from raw events after the last step.

    An event in the first millisecond of a minute may be in the step before, which includes it.
    """
    minute = {"$dateTrunc": {"date": "$occurred_at", "unit": "minute"}}
    page_views = {"$cond": [counts.IS_VIEW, 1, 0]}
    raw = [
        {"$match": running(at)},
        {"$project": {"minute": minute, "events": {"$literal": 1}, "page_views": page_views}},
    ]
    return [
        {"$match": {"_id": {"$gte": first - counts.STEP, "$lt": counts.step_of(at)}}},
        {"$project": {"minutes": 1}},  # which is in the index
        {"$unwind": "$minutes.of"},
        {"$replaceWith": "$minutes.of"},
        {"$unionWith": {"coll": "events", "pipeline": raw}},
        {"$match": {"minute": {"$gte": first}}},
        {
            "$group": {
                "_id": "$minute",
                "events": {"$sum": "$events"},
                "page_views": {"$sum": "$page_views"},
            }
        },
    ]


async def read_per_minute(database: Database, current: CurrentMetrics, minutes: int) -> PerMinute:
    """Return the last `minutes`, the running one among them, exact at `as_of`."""
    at: datetime = (await current.get())["as_of"]
    newest = _minute_of(at)
    first = newest - (minutes - 1) * _MINUTE
    await current.rebuild(at, at - first + counts.STEP)
    found = await all_of(database.collection(counts.COLLECTION), _minutes(first, at))
    counted = {row.pop("_id"): row for row in found}
    nothing = {"events": 0, "page_views": 0}
    return PerMinute(
        as_of=at,
        minutes=[
            MinuteCount(minute=minute, complete=minute < newest, **counted.get(minute, nothing))
            for minute in (first + n * _MINUTE for n in range(minutes))
        ],
    )


def _minute_of(instant: datetime) -> datetime:
    return datetime.fromtimestamp(instant.timestamp() // 60 * 60, UTC)
