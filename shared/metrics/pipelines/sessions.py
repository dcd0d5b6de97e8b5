"""Active users, and the sessions of each, in the last 5 minutes, from raw events."""

from datetime import datetime
from typing import Final

from shared.metrics.pipelines.window import Pipeline, within
from shared.storage.database import Document
from shared.windows import ACTIVE

# A user's list of sessions has null for events without one.
SESSION_OF_USER: Final[Document] = {
    "$group": {
        "_id": {"user": "$user_id", "session": {"$ifNull": ["$session_id", None]}},
        "last": {"$max": "$occurred_at"},
    }
}


def rank_users(users: int) -> Document:
    """Rank and total `{"_id": user_id, "sessions"}`, in the form of `sessions_of_events`."""
    return {
        "$facet": {
            "active": [{"$count": "users"}],
            "users": [
                {"$match": {"sessions": {"$gt": 0}}},
                {"$sort": {"sessions": -1, "_id": 1}},
                {"$limit": users},
            ],
            "spread": [
                {"$match": {"sessions": {"$gt": 0}}},
                {
                    "$group": {
                        "_id": {"$min": ["$sessions", 3]},
                        "users": {"$sum": 1},
                        "sessions": {"$sum": "$sessions"},
                    }
                },
            ],
        }
    }


def sessions_of_events(at: datetime, users: int) -> Pipeline:
    """Count active users, and the sessions of each, in the last 5 minutes; on `events`.

    One document: `active` holds `[{"users": n}]`, or `[]`; `users` the first `users` as `{"_id":
    user_id, "sessions": 3}`, most first, ties by id; `spread` holds `{"_id": 1 | 2 | 3, "users",
    "sessions"}` for the users with one, two, and three or more.
    """
    is_session = {"$cond": [{"$eq": ["$_id.session", None]}, 0, 1]}
    return [
        {"$match": {"occurred_at": within(at, ACTIVE)}},
        SESSION_OF_USER,
        {"$group": {"_id": "$_id.user", "sessions": {"$sum": is_session}}},
        rank_users(users),
    ]


def sessions_of_user(at: datetime, user_id: str, limit: int) -> Pipeline:
    """List the sessions of one user in the last 5 minutes; on `events`.

    One document: `latest` holds `{"_id": session_id, "last_event_at", "events"}`, newest first,
    at most `limit` of them; `total` holds `[{"sessions": 3}]`, or `[]`.
    """
    return [
        {
            "$match": {
                "user_id": {"$eq": user_id},
                "occurred_at": within(at, ACTIVE),
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
