"""What metrics read of the steps: events of the last 15 minutes, and arrivals."""

from datetime import datetime, timedelta
from typing import Final

from shared.metrics.engine.counts import COLLECTION, IS_VIEW, MILLISECOND, STEP, step_of
from shared.metrics.engine.metric import MAX_LISTED, Pipeline, Source
from shared.schema import PAGE_VIEW
from shared.storage.database import Document
from shared.windows import VIEWS


def _of_window(at: datetime) -> Pipeline:
    """Add up the events of the window, in one row, with the 100 first of each ranking.

    `{"events", "types", "by_type": [{"t", "n"}], "page_views": {"n", "pages", "top": […]}}`, of
    which `page_views` is null where there is none, and its `top` is `[{"p", "n"}]`.

    Buckets inside the window count as a whole; the one that the window's trailing edge cuts is
    counted from raw events.
    """
    edge = at - VIEWS
    first = step_of(edge) + STEP
    page = {"$cond": [IS_VIEW, "$page_url", None]}
    # An expression, so that no plan reads the whole index of arrivals for it, which one did.
    arrived = {"$expr": {"$lte": [{"$toLong": "$received_at"}, {"$toLong": at}]}}
    cut = [
        {"$match": {"occurred_at": {"$gt": edge, "$lt": first}} | arrived},
        {"$group": {"_id": {"t": "$event_type", "p": page}, "n": {"$sum": 1}}},
    ]
    views = {"n": "$n", "pages": "$pages", "top": "$top"}
    return [
        {"$match": {"bucket": {"$gte": first, "$lte": at}}},
        {"$project": {"rows": 1}},
        {"$unwind": "$rows"},
        {"$group": {"_id": {"t": "$rows.t", "p": "$rows.p"}, "n": {"$sum": "$rows.n"}}},
        {"$unionWith": {"coll": "events", "pipeline": cut}},
        {"$group": {"_id": "$_id", "n": {"$sum": "$n"}}},
        {
            "$group": {
                "_id": "$_id.t",
                "n": {"$sum": "$n"},
                "pages": {"$sum": 1},
                "top": _most("_id.p", {"p": "$_id.p", "n": "$n"}),
            }
        },
        {
            "$group": {
                "_id": None,
                "events": {"$sum": "$n"},
                "types": {"$sum": 1},
                "by_type": _most("_id", {"t": "$_id", "n": "$n"}),
                "page_views": {"$max": {"$cond": [{"$eq": ["$_id", PAGE_VIEW]}, views, None]}},
            }
        },
    ]


def _most(name: str, row: Document) -> Document:
    """Rank by `n`, most first, ties by name."""
    return {"$topN": {"n": MAX_LISTED, "sortBy": {"n": -1, name: 1}, "output": row}}


WINDOW: Final = Source(COLLECTION, _of_window)


def arrivals_of(length: timedelta) -> Source:
    """Return the number of events that arrived in the last `length`: `[{"n"}]`."""

    def pipeline(at: datetime) -> Pipeline:
        first = step_of(at - length - MILLISECOND) + STEP  # the first that began in the window
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

    return Source(COLLECTION, pipeline)
