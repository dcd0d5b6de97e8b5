"""What metrics read of the steps: events of the last 15 minutes, and arrivals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from shared.metrics.engine.counts import COLLECTION, IS_VIEW, MILLISECOND, STEP, step_of
from shared.metrics.engine.metric import MAX_LISTED, Pipeline, Source
from shared.schema import PAGE_VIEW
from shared.storage.database import Document
from shared.windows import VIEWS


def running(at: datetime) -> Document:
    """Return the condition of what arrived in the step that is not over at `at`."""
    return {"received_at": {"$gt": step_of(at), "$lte": at}}


def _of_window(at: datetime) -> Pipeline:
    """Add up the events of the window: one row, a ranking of types, and `page_views`, one of pages.

    What steps had no room to tell apart has no name.

    Buckets inside the window count as a whole. At both edges raw events are counted: of the bucket
    that the trailing edge cuts, and of the step that is not over yet. All rows go through one
    `$group`: adding the edges to grouped steps in a second one takes as long again where few
    pages repeat, and five times as long where it exceeds its 100 MB (300,000 pages: 7.3 s of
    mongod instead of 1.3).
    """
    edge, end = at - VIEWS, step_of(at)
    first = step_of(edge) + STEP
    page = {"$cond": [IS_VIEW, "$page_url", None]}
    # An `$expr`, so that the planner does not scan the whole arrival index, as it once did.
    arrived = {"$expr": {"$lte": [{"$toLong": "$received_at"}, {"$toLong": at}]}}
    trailing = {"occurred_at": {"$gt": edge, "$lt": first}} | arrived
    leading = running(at) | {"occurred_at": {"$gte": first}}
    count = [
        {"$group": {"_id": {"t": "$event_type", "p": page}, "n": {"$sum": 1}}},
        {"$project": {"_id": 0, "rows": [{"t": "$_id.t", "p": "$_id.p", "n": "$n"}]}},
    ]
    pages = {"$cond": [{"$eq": ["$_id", PAGE_VIEW]}, "$$ROOT", None]}
    return [
        {"$match": {"_id": {"$gte": first - STEP, "$lt": end}}},
        {"$project": {"_id": 0, "buckets": 1}},
        {"$unwind": "$buckets"},
        {"$match": {"buckets.bucket": {"$gte": first}}},
        {"$project": {"rows": "$buckets.rows"}},
        {"$unionWith": {"coll": "events", "pipeline": [{"$match": trailing}, *count]}},
        {"$unionWith": {"coll": "events", "pipeline": [{"$match": leading}, *count]}},
        {"$unwind": "$rows"},
        {"$group": {"_id": {"t": "$rows.t", "p": "$rows.p"}, "n": {"$sum": "$rows.n"}}},
        {"$group": {"_id": "$_id.t"} | _ranked_by("_id.p")},
        {"$group": {"_id": None, "page_views": {"$max": pages}} | _ranked_by("_id")},
    ]


def _ranked_by(name: str) -> Document:
    """Rank by `n`, most first, ties by name; count the names, and what has none."""
    has_none = {"$eq": [f"${name}", None]}
    return {
        "n": {"$sum": "$n"},
        "names": {"$sum": {"$cond": [has_none, 0, 1]}},
        "unnamed": {"$sum": {"$cond": [has_none, "$n", 0]}},
        "top": {
            "$topN": {
                "n": MAX_LISTED + 1,  # one may be what has no name
                "sortBy": {"n": -1, name: 1},
                "output": {"name": f"${name}", "n": "$n"},
            }
        },
    }


@dataclass(frozen=True)
class Counted:
    """Events by name: how many, how many names, events without one, the 100 names with most."""

    n: int
    names: int
    unnamed: int
    top: Mapping[str, int]

    @classmethod
    def of(cls, row: Document | None) -> Self:
        """Return what a row of `WINDOW`, or its `page_views`, says; zeros where there is none."""
        if row is None:
            return cls(0, 0, 0, {})
        named = [(it["name"], it["n"]) for it in row["top"] if it["name"] is not None]
        return cls(row["n"], row["names"], row["unnamed"], dict(named[:MAX_LISTED]))


WINDOW: Final = Source(COLLECTION, _of_window)


def arrivals_of(length: timedelta) -> Source:
    """Return the number of events that arrived in the last `length`: `[{"n"}]`."""

    def pipeline(at: datetime) -> Pipeline:
        first = step_of(at - length - MILLISECOND) + STEP  # the first that began in the window
        end = step_of(at)
        edges = [
            {"received_at": {"$gt": at - length, "$lte": first}},
            {"received_at": {"$gt": end, "$lte": at}},
        ]
        count = {"$group": {"_id": None, "n": {"$sum": 1}}}
        return [
            {"$match": {"_id": {"$gte": first, "$lt": end}}},
            {"$group": {"_id": None, "n": {"$sum": "$events"}}},
            *[
                {"$unionWith": {"coll": "events", "pipeline": [{"$match": edge}, count]}}
                for edge in edges
            ],
            {"$group": {"_id": None, "n": {"$sum": "$n"}}},
        ]

    return Source(COLLECTION, pipeline)
