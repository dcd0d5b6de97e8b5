"""How arrivals are counted in steps of five seconds: the pipelines that fill a step."""

from datetime import UTC, datetime, timedelta
from typing import Final

from shared.metrics.engine.metric import EPOCH, Pipeline, fingerprint
from shared.schema import PAGE_VIEW
from shared.storage.database import index, ttl
from shared.windows import VIEWS

# A step is what arrived in `step < received_at ≤ step + 5 s`; a bucket, like every minute shown, is
# what occurred in `bucket ≤ occurred_at < bucket + 5 s`.
STEP: Final = timedelta(seconds=5)
REACH: Final = VIEWS  # the steps of so long are right after a tick: no metric may look further back
HOUR: Final = timedelta(minutes=60)  # how far back minutes of event time are counted
ROWS_KEPT: Final = VIEWS + timedelta(minutes=10)
HEADS_KEPT: Final = HOUR + timedelta(minutes=15)
MILLISECOND: Final = timedelta(milliseconds=1)
# Room for the pages and types that a step tells apart, so that a window of 180 steps is read in
# time and a bucket fits a document: 100,000 URLs of 6 bytes, 23,000 of 40, or 520 of 2 kB. Each
# takes four times its text: 90,000 URLs of 2 kB in a window are read in 2 s, while 160,000 outgrow
# the memory of a `$group` and take 15.
ROOM: Final = 4 << 20
_OVERHEAD: Final = 16
_TEXT: Final = 4

IS_VIEW: Final = {"$eq": ["$event_type", PAGE_VIEW]}
_BUCKET: Final = {
    "$subtract": [
        "$occurred_at",
        {"$mod": [{"$toLong": "$occurred_at"}, STEP // MILLISECOND]},
    ]
}


def step_of(instant: datetime) -> datetime:
    """Return the beginning of the step that `instant` is in."""
    return datetime.fromtimestamp(instant.timestamp() // STEP.seconds * STEP.seconds, UTC)


def rows_of(step: datetime, until: datetime, made_at: datetime) -> Pipeline:
    """Count the arrivals of a step, on `events`: one document a bucket.

    What is too old for every window needs no page, and what is older than an hour no bucket. Of
    more pages and types than there is `ROOM` for those with the fewest events, and of these those
    with the longest text, are counted together: as views of page null, and as events of type null.
    """
    bucket = {"$cond": [{"$gt": ["$occurred_at", step - HOUR]}, _BUCKET, None]}
    in_window = {"$gt": ["$occurred_at", step - VIEWS]}
    page = {"$cond": [{"$and": [IS_VIEW, in_window]}, "$page_url", None]}
    text = {"$strLenBytes": {"$ifNull": ["$_id.p", "$_id.t"]}}
    size = {"$add": [_OVERHEAD, {"$multiply": [_TEXT, text]}]}
    fits = {"$lte": ["$filled", ROOM]}
    is_view = {"$eq": ["$_id.t", PAGE_VIEW]}
    told_apart = {
        "b": "$buckets.b",
        "t": {"$cond": [{"$or": [fits, is_view]}, "$_id.t", None]},
        "p": {"$cond": [fits, "$_id.p", None]},
    }
    return [
        {"$match": {"received_at": {"$gt": step, "$lte": until}}},
        {"$group": {"_id": {"b": bucket, "t": "$event_type", "p": page}, "n": {"$sum": 1}}},
        {
            "$group": {
                "_id": {"t": "$_id.t", "p": "$_id.p"},
                "n": {"$sum": "$n"},
                "buckets": {"$push": {"b": "$_id.b", "n": "$n"}},
            }
        },
        {"$set": {"size": size}},
        {
            "$setWindowFields": {
                "sortBy": {"n": -1, "size": 1, "_id": 1},
                "output": {
                    "filled": {"$sum": "$size", "window": {"documents": ["unbounded", "current"]}}
                },
            }
        },
        {"$unwind": "$buckets"},
        {"$group": {"_id": told_apart, "n": {"$sum": "$buckets.n"}}},
        {
            "$group": {
                "_id": "$_id.b",
                "events": {"$sum": "$n"},
                "page_views": {"$sum": {"$cond": [is_view, "$n", 0]}},
                "rows": {"$push": {"t": "$_id.t", "p": "$_id.p", "n": "$n"}},
            }
        },
        {
            "$project": {
                "_id": {"step": step, "bucket": "$_id"},
                "step": step,
                "bucket": "$_id",
                "events": 1,
                "page_views": 1,
                "rows": 1,
                "made_at": made_at,
                "expires_at": step + ROWS_KEPT,
            }
        },
    ]


def head_of(step: datetime, made_at: datetime) -> Pipeline:
    """Add up the rows of a step that were made then or later, by minute of event time.

    Return `{"events", "minutes": […], "made_at"}`, of the rows the latest.
    """
    minute = {"$dateTrunc": {"date": "$bucket", "unit": "minute"}}  # null for null
    counts = ("events", "page_views")
    return [
        {"$match": {"step": step, "made_at": {"$gte": made_at}}},
        {
            "$group": {
                "_id": minute,
                "made_at": {"$max": "$made_at"},
                **{name: {"$sum": f"${name}"} for name in counts},
            }
        },
        {
            "$group": {
                "_id": None,
                "made_at": {"$max": "$made_at"},
                "events": {"$sum": "$events"},
                "minutes": {
                    "$push": {"minute": "$_id", "events": "$events", "page_views": "$page_views"}
                },
            }
        },
    ]


INDEXES: Final = [ttl("expires_at", 0), index("bucket"), index("step")]
COLLECTION: Final = "steps_" + fingerprint(rows_of(EPOCH, EPOCH, EPOCH), head_of(EPOCH, EPOCH))
