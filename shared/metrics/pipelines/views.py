"""Page views by URL, and events by type, in the last 15 minutes.

From raw events, or from the segments of rollups. A segment holds the events that arrived in some
time, counted in buckets of event time; a total adds up the buckets that no window cuts for a
while. What is counted besides is what arrived after the newest segment, and what the window's
trailing edge cuts off a bucket.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bson import ObjectId

from shared.metrics.pipelines.window import Pipeline, into_rollups, union_with_events, within
from shared.schema import PAGE_VIEW
from shared.storage.database import Document
from shared.windows import VIEWS

BUCKET: Final = timedelta(seconds=5)  # of event time; a bucket (end − 5 s, end] goes by its end
_BUCKET_MS: Final = int(BUCKET.total_seconds() * 1000)
_ROWS: Final = 1000  # in a document: of 8 KiB URLs, 8 MB of the 16 MB it may have


def bucket_end(instant: datetime) -> datetime:
    """Give the end of the bucket that holds `instant`."""
    buckets = -(-int(instant.timestamp() * 1000) // _BUCKET_MS)
    return datetime.fromtimestamp(buckets * _BUCKET_MS / 1000, UTC)


_COUNT_BY_PAGE: Final[Pipeline] = [
    {
        "$group": {
            "_id": {
                "type": "$event_type",
                "page": {"$cond": [{"$eq": ["$event_type", PAGE_VIEW]}, "$page_url", None]},
            },
            "count": {"$sum": 1},
        }
    },
]

_ADD_UP_ROWS: Final[Pipeline] = [
    {"$unwind": "$rows"},
    {
        "$group": {
            "_id": {"type": "$rows.type", "page": "$rows.page"},
            "count": {"$sum": "$rows.count"},
        }
    },
]
_PLACE: Final[Document] = {"place": {"$documentNumber": {}}}
_PART: Final[Document] = {"$floor": {"$divide": ["$place", _ROWS]}}
_ROW: Final[Document] = {"$push": {"type": "$_id.type", "page": "$_id.page", "count": "$count"}}


def _rank_views(pages: int, types: int) -> Document:
    by_count: Document = {"$sort": {"count": -1, "_id": 1}}
    totals: Document = {
        "$group": {"_id": None, "distinct": {"$sum": 1}, "total": {"$sum": "$count"}}
    }
    views: Pipeline = [
        {"$match": {"_id.type": PAGE_VIEW}},
        {"$project": {"_id": "$_id.page", "count": 1}},
    ]
    kinds: Document = {"$group": {"_id": "$_id.type", "count": {"$sum": "$count"}}}
    return {
        "$facet": {
            "pages": [*views, by_count, {"$limit": pages}],
            "viewed": [*views, totals],
            "by_type": [kinds, by_count, {"$limit": types}],
            "types": [kinds, totals],
        }
    }


def views_of_events(at: datetime, pages: int, types: int) -> Pipeline:
    """Count events of the last 15 minutes by type, and page views by page; on `events`.

    One document: `by_type` and `pages` hold the first `types` and `pages` as `{"_id", "count"}`,
    most first, ties by name; `types` and `viewed` hold `[{"distinct", "total"}]`, or `[]`.
    """
    match = {"$match": {"occurred_at": within(at, VIEWS)}}
    return [match, *_COUNT_BY_PAGE, _rank_views(pages, types)]


@dataclass(frozen=True)
class Total:
    """The counts of all buckets that end later than `after`."""

    owner: ObjectId
    after: datetime


@dataclass(frozen=True)
class SegmentsUntil:
    """All arrivals up to `until`, counted in segments."""

    until: datetime
    segments: Sequence[ObjectId]  # owners; their total may stand for their later buckets
    total: Total | None
    later: Sequence[ObjectId]  # owners of segments that are in no total


def views_of_segments(at: datetime, counted: SegmentsUntil, pages: int, types: int) -> Pipeline:
    """Count the same as `views_of_events` from segments; on `rollups`.

    Whole buckets count from the segments; from raw events count the part of the bucket that the
    trailing edge cuts, and of the others what arrived after `counted.until`.
    """
    edge = at - VIEWS
    whole = bucket_end(edge)
    cut = {"occurred_at": {"$gt": edge, "$lte": whole}}
    arrived_since = {
        "received_at": {"$gt": counted.until},
        "occurred_at": {"$gt": whole, "$lte": at},
    }
    return [
        {"$match": {"$or": _whole_buckets(counted, whole)}},
        *_ADD_UP_ROWS,
        union_with_events({"$or": [cut, arrived_since]}, _COUNT_BY_PAGE),
        {"$group": {"_id": "$_id", "count": {"$sum": "$count"}}},
        _rank_views(pages, types),
    ]


def _whole_buckets(counted: SegmentsUntil, whole: datetime) -> list[Document]:
    segments, later = list(counted.segments), list(counted.later)
    if counted.total is None:
        return [{"owner": {"$in": segments + later}, "bucket": {"$gt": whole}}]
    return [
        {"owner": counted.total.owner},
        {"owner": {"$in": segments}, "bucket": {"$gt": whole, "$lte": counted.total.after}},
        {"owner": {"$in": later}, "bucket": {"$gt": whole}},
    ]


def total_of_segments(
    segments: Sequence[ObjectId], after: datetime, owner: ObjectId, expires_at: datetime
) -> Pipeline:
    """Write the counts of all buckets that end later than `after` as total `owner`.

    On `rollups`, into `rollups`: documents `{owner, expires_at, rows: [{type, page, count}]}`.
    """
    return [
        {"$match": {"owner": {"$in": list(segments)}, "bucket": {"$gt": after}}},
        *_ADD_UP_ROWS,
        {"$setWindowFields": {"sortBy": {"_id": 1}, "output": _PLACE}},
        {"$group": {"_id": _PART, "rows": _ROW}},
        *into_rollups(owner, expires_at, {"rows": 1}),
    ]


def segment_of_views(
    since: datetime, until: datetime, owner: ObjectId, expires_at: datetime
) -> Pipeline:
    """Write the counts of all events that arrived in `(since, until]` as segment `owner`.

    On `events`, into `rollups`: documents `{owner, expires_at, bucket, events, rows: [{type, page,
    count}]}`. Events too old for any window at `until` or later have the bucket `None`.
    """
    milliseconds = {"$toLong": "$occurred_at"}
    rest = {"$mod": [milliseconds, _BUCKET_MS]}
    end = {
        "$cond": [
            {"$eq": [rest, 0]},
            "$occurred_at",
            {"$toDate": {"$add": [{"$subtract": [milliseconds, rest]}, _BUCKET_MS]}},
        ]
    }
    in_a_window = {"$gt": ["$occurred_at", until - VIEWS]}
    is_view = {"$and": [in_a_window, {"$eq": ["$event_type", PAGE_VIEW]}]}
    return [
        {"$match": {"received_at": {"$gt": since, "$lte": until}}},
        {
            "$group": {
                "_id": {
                    "bucket": {"$cond": [in_a_window, end, None]},
                    "type": {"$cond": [in_a_window, "$event_type", None]},
                    "page": {"$cond": [is_view, "$page_url", None]},
                },
                "count": {"$sum": 1},
            }
        },
        {
            "$setWindowFields": {
                "partitionBy": "$_id.bucket",
                "sortBy": {"_id": 1},
                "output": _PLACE,
            }
        },
        {
            "$group": {
                "_id": {"bucket": "$_id.bucket", "part": _PART},
                "events": {"$sum": "$count"},
                "rows": _ROW,
            }
        },
        *into_rollups(owner, expires_at, {"bucket": "$_id.bucket", "events": 1, "rows": 1}),
    ]
