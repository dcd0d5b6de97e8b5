"""How arrivals are counted in steps of five seconds, and how windows are added up from that.

The pipelines of counted steps: what is written for a step, and what metrics read of a window.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from shared.metrics.engine.source import EPOCH, Pipeline, Source, fingerprint
from shared.schema import PAGE_VIEW
from shared.storage.database import index, ttl
from shared.windows import VIEWS

STEP: Final = timedelta(seconds=5)
HOUR: Final = timedelta(minutes=60)  # how far back minutes of event time are counted
ROWS_KEPT: Final = VIEWS + timedelta(minutes=10)
HEADS_KEPT: Final = HOUR + timedelta(minutes=15)
# What a step may hold of pages and types that it tells apart, so that a window of 180 is read in
# time: 1 MiB, of which each takes its text and 256 bytes. 3,400 URLs of 40 bytes, 460 of 2 kB.
ROOM: Final = 1 << 20
_OVERHEAD: Final = 256

_IS_VIEW: Final = {"$eq": ["$event_type", PAGE_VIEW]}
_BUCKET: Final = {
    "$subtract": [
        "$occurred_at",
        {"$mod": [{"$toLong": "$occurred_at"}, STEP // timedelta(milliseconds=1)]},
    ]
}


def step_of(instant: datetime) -> datetime:
    """Return the beginning of the step that `instant` is in."""
    return datetime.fromtimestamp(instant.timestamp() // STEP.seconds * STEP.seconds, UTC)


def whole_step_after(instant: datetime) -> datetime:
    """Return the first beginning of a step that is not before `instant`."""
    begin = step_of(instant)
    return begin if begin == instant else begin + STEP


def rows_of(step: datetime, until: datetime, made_at: datetime) -> Pipeline:
    """Count the arrivals of a step, on `events`: one document a bucket.

    What is too old for every window needs no page, and what is older than an hour no bucket. Of
    more pages and types than there is `ROOM` for those with the fewest events, and of these those
    with the longest text, are counted together: as views of page null, and as events of type null.
    """
    bucket = {"$cond": [{"$gt": ["$occurred_at", step - HOUR]}, _BUCKET, None]}
    in_window = {"$gt": ["$occurred_at", step - VIEWS]}
    page = {"$cond": [{"$and": [_IS_VIEW, in_window]}, "$page_url", None]}
    lengths = [{"$strLenBytes": "$_id.t"}, {"$strLenBytes": {"$ifNull": ["$_id.p", ""]}}]
    size = {"$add": [_OVERHEAD, *lengths]}
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


def head_of(step: datetime) -> Pipeline:
    """Add up the rows of a step, by minute of event time: `{"events", "minutes": […]}`."""
    minute = {"$dateTrunc": {"date": "$bucket", "unit": "minute"}}  # null for null
    counts = ("events", "page_views")
    return [
        {"$match": {"step": step}},
        {
            "$group": {
                "_id": minute,
                **{name: {"$sum": f"${name}"} for name in counts},
            }
        },
        {
            "$group": {
                "_id": None,
                "events": {"$sum": "$events"},
                "minutes": {
                    "$push": {"minute": "$_id", "events": "$events", "page_views": "$page_views"}
                },
            }
        },
    ]


INDEXES: Final = [ttl("expires_at", 0), index("bucket"), index("step")]
COLLECTION: Final = "steps_" + fingerprint(rows_of(EPOCH, EPOCH, EPOCH), head_of(EPOCH))


def _counts(at: datetime) -> Pipeline:
    """Add up all events of the window by type and page: `{"_id": {"t", "p"}, "n"}`.

    Views of page null and events of type null are those that steps had no room to tell apart.
    Buckets inside the window count as a whole; the one that the window's trailing edge cuts is
    counted from raw events. All rows go through one `$group`: a second one, of sums of the rest and
    of the edge, takes as long again where few pages are alike, and five times as long where it
    outgrows its 100 MB (300,000 pages: 7.3 s of mongod instead of 1.3).
    """
    edge = at - VIEWS
    first = step_of(edge) + STEP
    page = {"$cond": [_IS_VIEW, "$page_url", None]}
    cut = [
        {"$match": {"occurred_at": {"$gt": edge, "$lt": first}, "received_at": {"$lte": at}}},
        {"$group": {"_id": {"t": "$event_type", "p": page}, "n": {"$sum": 1}}},
        {"$project": {"_id": 0, "rows": [{"t": "$_id.t", "p": "$_id.p", "n": "$n"}]}},
    ]
    return [
        {"$match": {"bucket": {"$gte": first, "$lte": at}}},
        {"$project": {"rows": 1}},
        {"$unionWith": {"coll": "events", "pipeline": cut}},
        {"$unwind": "$rows"},
        {"$group": {"_id": {"t": "$rows.t", "p": "$rows.p"}, "n": {"$sum": "$rows.n"}}},
    ]


COUNTS: Final = Source(COLLECTION, _counts)


def arrivals_of(length: timedelta) -> Source:
    """Return the number of events that arrived in the last `length`: `[{"n"}]`."""

    def stages(at: datetime) -> Pipeline:
        first = whole_step_after(at - length)
        cut = [
            {"$match": {"received_at": {"$gt": at - length, "$lte": first}}},
            {"$group": {"_id": None, "n": {"$sum": 1}}},
        ]
        return [
            {"$match": {"_id": {"$gte": first, "$lte": at}}},
            {"$group": {"_id": None, "n": {"$sum": "$events"}}},
            {"$unionWith": {"coll": "events", "pipeline": cut}},
            {"$group": {"_id": None, "n": {"$sum": "$n"}}},
        ]

    return Source(COLLECTION, stages)
