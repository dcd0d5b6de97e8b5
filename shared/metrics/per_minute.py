"""Events and page views by whole minute of event time, from the heads of the counts."""

from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import BaseModel, Field

from shared.metrics.current import CurrentMetrics
from shared.metrics.engine import counts
from shared.metrics.engine.metric import Pipeline, number
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


def _minutes(first: datetime) -> Pipeline:
    """Add up the minutes from `first` on, and see how many steps there are, and up to when.

    What occurs in the millisecond that a minute begins may arrive in it, in the step before.
    """
    return [
        {"$match": {"_id": {"$gte": first - counts.STEP}}},
        {
            "$facet": {
                "steps": [{"$group": {"_id": None, "n": {"$sum": 1}, "at": {"$max": "$until"}}}],
                "minutes": [
                    {"$unwind": "$minutes"},
                    {
                        "$group": {
                            "_id": "$minutes.minute",
                            "events": {"$sum": "$minutes.events"},
                            "page_views": {"$sum": "$minutes.page_views"},
                        }
                    },
                ],
            }
        },
    ]


async def read_per_minute(database: Database, current: CurrentMetrics, minutes: int) -> PerMinute:
    """Return the last `minutes`, the running one among them, exact at `as_of`."""
    now: datetime = (await current.get())["as_of"]
    reach = minutes * _MINUTE
    first = _minute_of(now) - reach + _MINUTE
    collection = database.collection(counts.COLLECTION)
    [found] = await all_of(collection, _minutes(first))
    if number(found["steps"], "n") < (now - first) / counts.STEP + 1:
        await current.rebuild(now - first + counts.STEP)
        [found] = await all_of(collection, _minutes(first))
    at = found["steps"][0]["at"]
    counted = {row["_id"]: row for row in found["minutes"]}
    running = _minute_of(at)
    return PerMinute(
        as_of=at,
        minutes=[
            MinuteCount(
                minute=minute,
                events=counted.get(minute, {}).get("events", 0),
                page_views=counted.get(minute, {}).get("page_views", 0),
                complete=minute < running,
            )
            for minute in (running - n * _MINUTE for n in reversed(range(minutes)))
        ],
    )


def _minute_of(instant: datetime) -> datetime:
    return datetime.fromtimestamp(instant.timestamp() // 60 * 60, UTC)
