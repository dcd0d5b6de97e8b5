"""Every aggregation pipeline, as a pure function of its arguments.

A window at time `at` is half-open: `at − length < occurred_at ≤ at`.
"""

from datetime import datetime, timedelta

from shared.database import Document
from shared.schema import PAGE_VIEW
from shared.windows import ACTIVE, VIEWS

Pipeline = list[Document]


def _within(at: datetime, length: timedelta) -> Document:
    return {"$gt": at - length, "$lte": at}


def active_users(at: datetime) -> Pipeline:
    """Count distinct users with any event in the last 5 minutes: `[{"count": 42}]`, or `[]`."""
    return [
        {"$match": {"occurred_at": _within(at, ACTIVE)}},
        {"$group": {"_id": "$user_id"}},
        {"$count": "count"},
    ]


def events_by_type_and_page(at: datetime, pages: int, types: int) -> Pipeline:
    """Count events of the last 15 minutes by type, and page views by page.

    One document: `by_type` and `pages` hold the first `types` and `pages` as `{"_id", "count"}`,
    most first, ties by name; `types` and `viewed` hold `[{"distinct", "total"}]`, or `[]`.
    """
    by_name: Pipeline = [{"$sort": {"count": -1, "_id": 1}}]
    totals: Pipeline = [
        {"$group": {"_id": None, "distinct": {"$sum": 1}, "total": {"$sum": "$count"}}}
    ]
    views: Pipeline = [
        {"$match": {"_id.type": PAGE_VIEW}},
        {"$project": {"_id": "$_id.page", "count": 1}},
    ]
    kinds: Pipeline = [{"$group": {"_id": "$_id.type", "count": {"$sum": "$count"}}}]
    page_of_view = {"$cond": [{"$eq": ["$event_type", PAGE_VIEW]}, "$page_url", None]}
    return [
        {"$match": {"occurred_at": _within(at, VIEWS)}},
        {
            "$group": {
                "_id": {"type": "$event_type", "page": page_of_view},
                "count": {"$sum": 1},
            }
        },
        {
            "$facet": {
                "pages": [*views, *by_name, {"$limit": pages}],
                "viewed": [*views, *totals],
                "by_type": [*kinds, *by_name, {"$limit": types}],
                "types": [*kinds, *totals],
            }
        },
    ]


def sessions_by_user(at: datetime, users: int) -> Pipeline:
    """Count the distinct sessions of each user in the last 5 minutes.

    One document: `users` holds the first `users` as `{"_id": user_id, "sessions": 3}`, most first,
    ties by id; `spread` holds `{"_id": 1 | 2 | 3, "users": n, "sessions": n}` for the users with
    one, two, and three or more.
    """
    return [
        {"$match": {"occurred_at": _within(at, ACTIVE), "session_id": {"$gte": ""}}},
        {"$group": {"_id": {"user": "$user_id", "session": "$session_id"}}},
        {"$group": {"_id": "$_id.user", "sessions": {"$sum": 1}}},
        {
            "$facet": {
                "users": [{"$sort": {"sessions": -1, "_id": 1}}, {"$limit": users}],
                "spread": [
                    {
                        "$group": {
                            "_id": {"$min": ["$sessions", 3]},
                            "users": {"$sum": 1},
                            "sessions": {"$sum": "$sessions"},
                        }
                    }
                ],
            }
        },
    ]


def sessions_of_user(at: datetime, user_id: str, limit: int) -> Pipeline:
    """List the sessions of one user in the last 5 minutes.

    One document: `latest` holds `{"_id": session_id, "last_event_at", "events"}`, newest first,
    at most `limit` of them; `total` holds `[{"sessions": 3}]`, or `[]`.
    """
    return [
        {
            "$match": {
                "user_id": {"$eq": user_id},
                "occurred_at": _within(at, ACTIVE),
                "session_id": {"$gte": ""},
            }
        },
        {
            "$group": {
                "_id": "$session_id",
                "last_event_at": {"$max": "$occurred_at"},
                "events": {"$sum": 1},
            }
        },
        {
            "$facet": {
                "latest": [{"$sort": {"last_event_at": -1, "_id": 1}}, {"$limit": limit}],
                "total": [{"$count": "sessions"}],
            }
        },
    ]


def late_arrivals(at: datetime) -> Pipeline:
    """Count events that arrived in the last 15 minutes, too old for every window: `[{"count"}]`."""
    return [
        {"$match": {"late": True, "received_at": _within(at, VIEWS)}},
        {"$count": "count"},
    ]


def rejected_arrivals(at: datetime) -> Pipeline:
    """Count events that were refused in the last 15 minutes: `[{"count"}]`, or `[]`."""
    return [
        {"$match": {"rejected_at": _within(at, VIEWS)}},
        {"$group": {"_id": None, "count": {"$sum": "$count"}}},
    ]


def history(at: datetime, minutes: int, step_seconds: int) -> Pipeline:
    """List the snapshots of the last `minutes`, oldest first, the last of each `step_seconds`.

    Rankings are left out: a chart draws totals.
    """
    step = step_seconds * 1000
    milliseconds = {"$toLong": "$as_of"}
    return [
        {"$match": {"as_of": _within(at, timedelta(minutes=minutes))}},
        {"$project": {"page_views.top": 0, "active_sessions.users": 0}},
        {"$sort": {"as_of": 1}},
        {
            "$group": {
                "_id": {"$subtract": [milliseconds, {"$mod": [milliseconds, step]}]},
                "snapshot": {"$last": "$$ROOT"},
            }
        },
        {"$sort": {"_id": 1}},
        {"$replaceRoot": {"newRoot": "$snapshot"}},
    ]


def count_in_window(
    window: int, left: float, limit: int, amount: int, expires_at: datetime
) -> Pipeline:
    """Count `amount` hits in a rate limit's document, as an update.

    Rolls the counts on to tumbling window number `window`, of which the part `left` is still to
    come, then adds `amount` to `current` and sets `acquired` if the sliding window permits it.
    """
    last = {"$ifNull": ["$window", window]}
    current = {"$ifNull": ["$current", 0]}
    previous = {"$ifNull": ["$previous", 0]}
    rolled_previous = {
        "$switch": {
            "branches": [
                {"case": {"$gte": [last, window]}, "then": previous},
                {"case": {"$eq": [last, window - 1]}, "then": current},
            ],
            "default": 0,
        }
    }
    weighted = {"$add": [{"$floor": {"$multiply": ["$previous", left]}}, "$current", amount]}
    return [
        {
            "$set": {
                "previous": rolled_previous,
                "current": {"$cond": [{"$gte": [last, window]}, current, 0]},
                "window": {"$max": [last, window]},
                "expires_at": expires_at,
            }
        },
        {"$set": {"acquired": {"$lte": [weighted, limit]}}},
        {"$set": {"current": {"$add": ["$current", {"$cond": ["$acquired", amount, 0]}]}}},
    ]
