"""How a step is counted: the pipeline over `events` that makes one document of five seconds."""

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
KEPT: Final = HOUR + timedelta(minutes=15)
MILLISECOND: Final = timedelta(milliseconds=1)
# Room for the pages and types that a step counts individually, so that a window of 180 steps is
# read in time: 100,000 URLs of 6 bytes, 23,000 of 40, or 520 of 2 kB. Each takes four times its
# text in a `$group`: 90,000 URLs of 2 kB in a window are read in 2 s; 160,000 exceed its memory and
# take 15. In the step itself each takes its text and some 50 bytes per bucket: a third of that
# counts instead where it is larger, which limits the document to 13 MB.
ROOM: Final = 4 << 20
_OVERHEAD: Final = 16
_TEXT: Final = 4
_ROW: Final = 50
_DOCUMENT: Final = 3

IS_VIEW: Final = {"$eq": ["$event_type", PAGE_VIEW]}
_BUCKET: Final = {
    "$subtract": [
        "$occurred_at",
        {"$mod": [{"$toLong": "$occurred_at"}, STEP // MILLISECOND]},
    ]
}


def step_of(instant: datetime) -> datetime:
    """Return the beginning of the five seconds that `instant` is in."""
    return datetime.fromtimestamp(instant.timestamp() // STEP.seconds * STEP.seconds, UTC)


def counted(step: datetime) -> Pipeline:
    """Count the arrivals of a step, on `events`: one document, or none where nothing arrived.

    Events too old for every window get no page, and those older than an hour no bucket. If there is
    no `ROOM` for all pages and types, those with the fewest events (on ties, the longest text) are
    counted together: as views of page null, and as events of type null.
    """
    bucket = {"$cond": [{"$gt": ["$occurred_at", step - HOUR]}, _BUCKET, None]}
    in_window = {"$gt": ["$occurred_at", step - VIEWS]}
    page = {"$cond": [{"$and": [IS_VIEW, in_window]}, "$page_url", None]}
    text = {"$strLenBytes": {"$ifNull": ["$_id.p", "$_id.t"]}}
    in_group = {"$add": [_OVERHEAD, {"$multiply": [_TEXT, text]}]}
    in_step = {"$multiply": [{"$size": "$buckets"}, {"$add": [_ROW, text]}]}
    fits = {"$lte": ["$filled", ROOM]}
    is_view = {"$eq": ["$_id.t", PAGE_VIEW]}
    told_apart = {
        "b": "$buckets.b",
        "t": {"$cond": [{"$or": [fits, is_view]}, "$_id.t", None]},
        "p": {"$cond": [fits, "$_id.p", None]},
    }
    sums = {name: {"$sum": f"${name}"} for name in ("events", "page_views")}
    minute = {name: f"${name}" for name in sums} | {"minute": "$_id"}
    joined = {"$concatArrays": ["$$value", "$$this"]}
    every_bucket = {"$reduce": {"input": "$buckets", "initialValue": [], "in": joined}}
    return [
        {"$match": {"received_at": {"$gt": step, "$lte": step + STEP}}},
        {"$group": {"_id": {"b": bucket, "t": "$event_type", "p": page}, "n": {"$sum": 1}}},
        {
            "$group": {
                "_id": {"t": "$_id.t", "p": "$_id.p"},
                "n": {"$sum": "$n"},
                "buckets": {"$push": {"b": "$_id.b", "n": "$n"}},
            }
        },
        {"$set": {"size": {"$max": [in_group, {"$divide": [in_step, _DOCUMENT]}]}}},
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
            "$group": {
                "_id": {"$dateTrunc": {"date": "$_id", "unit": "minute"}},  # null for null
                "buckets": {"$push": {"bucket": "$_id", "rows": "$rows"}},
                **sums,
            }
        },
        {
            "$group": {
                "_id": step,
                "events": sums["events"],
                "of": {"$push": minute},
                "buckets": {"$push": "$buckets"},
            }
        },
        {
            "$project": {
                "events": 1,
                "minutes": {"of": "$of"},  # an index holds no array as a whole
                "buckets": every_bucket,
                "expires_at": step + KEPT,
            }
        },
    ]


# What is asked of every step is in an index, so that only those of a window are read as a whole.
INDEXES: Final = [ttl("expires_at", 0), index("_id", "events", "minutes")]
COLLECTION: Final = "steps_" + fingerprint(counted(EPOCH))
