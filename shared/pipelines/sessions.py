"""Active users, and the sessions of each, in the last 5 minutes.

From raw events, or from the state of a rollup: every session with its last event, which tells
whether it is active at any later instant.
"""

from datetime import datetime
from typing import Final

from bson import ObjectId

from shared.database import Document
from shared.pipelines.window import Pipeline, union_with_events, within
from shared.windows import ACTIVE

_SESSIONS: Final = 5000  # in a document: of 0.5 KiB, 2.5 MB, and one user may have more

# A user's list of sessions has null for events without one.
_SESSION_OF_USER: Final[Document] = {
    "$group": {
        "_id": {"user": "$user_id", "session": {"$ifNull": ["$session_id", None]}},
        "last": {"$max": "$occurred_at"},
    }
}


def _rank_users(users: int) -> Document:
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
        _SESSION_OF_USER,
        {"$group": {"_id": "$_id.user", "sessions": {"$sum": is_session}}},
        _rank_users(users),
    ]


def sessions_of_state(at: datetime, state: ObjectId, until: datetime, users: int) -> Pipeline:
    """Count the same as `sessions_of_events` from the sessions of all arrivals up to `until`.

    On `rollups`. A session's last event tells whether it is active, so no edge cuts anything; raw
    events count that arrived after `until`.
    """
    edge = at - ACTIVE
    still_active = {
        "$filter": {"input": "$rows.sessions", "cond": {"$gt": ["$$this.last", edge]}},
    }
    ids = {
        "$cond": [
            {"$gt": ["$rows.oldest", edge]},  # most users: 20 ms instead of 70 for 20,000
            "$rows.sessions.id",
            {"$map": {"input": still_active, "in": "$$this.id"}},
        ]
    }
    arrived_since = {"received_at": {"$gt": until}, "occurred_at": within(at, ACTIVE)}
    by_user: Pipeline = [
        _SESSION_OF_USER,
        {"$group": {"_id": "$_id.user", "ids": {"$push": "$_id.session"}}},
    ]
    union = {"$setUnion": ["$$value", "$$this"]}
    all_ids = {
        "$cond": [
            {"$eq": [{"$size": "$lists"}, 1]},
            {"$first": "$lists"},
            {"$reduce": {"input": "$lists", "initialValue": [], "in": union}},
        ]
    }
    return [
        {"$match": {"owner": state}},
        {"$unwind": "$rows"},
        {"$project": {"_id": "$rows.user", "ids": ids}},
        {"$match": {"ids": {"$ne": []}}},
        union_with_events(arrived_since, by_user),
        {"$group": {"_id": "$_id", "lists": {"$push": "$ids"}}},
        {"$project": {"sessions": {"$size": {"$setDifference": [all_ids, [None]]}}}},
        _rank_users(users),
    ]


def state_of_sessions(
    previous: ObjectId | None,
    since: datetime,
    until: datetime,
    owner: ObjectId,
    expires_at: datetime,
) -> Pipeline:
    """Write every session active at `until` as state `owner`.

    On `rollups`, into `rollups`: the state `previous`, and the events that arrived in `(since,
    until]`. Documents `{owner, expires_at, rows: [{user, oldest, sessions: [{id, last}]}]}`, with
    the least `last` as `oldest`. Seeing an event twice changes nothing, so `since` may reach back
    before `previous`.
    """
    arrived = {
        "received_at": {"$gt": since, "$lte": until},
        "occurred_at": {"$gt": until - ACTIVE},
    }
    one_each: Pipeline = [
        {"$project": {"_id": 0, "user": "$_id.user", "session": "$_id.session", "last": 1}}
    ]
    return [
        {"$match": {"owner": previous}},
        {"$unwind": "$rows"},
        {"$unwind": "$rows.sessions"},
        {
            "$project": {
                "_id": 0,
                "user": "$rows.user",
                "session": "$rows.sessions.id",
                "last": "$rows.sessions.last",
            }
        },
        {"$match": {"last": {"$gt": until - ACTIVE}}},
        union_with_events(arrived, [_SESSION_OF_USER, *one_each]),
        {"$group": {"_id": {"user": "$user", "session": "$session"}, "last": {"$max": "$last"}}},
        {
            "$group": {
                "_id": "$_id.user",
                "oldest": {"$min": "$last"},
                "sessions": {"$push": {"id": "$_id.session", "last": "$last"}},
            }
        },
        {
            "$setWindowFields": {
                "sortBy": {"_id": 1},
                "output": {
                    "place": {
                        "$sum": {"$size": "$sessions"},
                        "window": {"documents": ["unbounded", "current"]},
                    }
                },
            }
        },
        {
            "$group": {
                "_id": {"$floor": {"$divide": ["$place", _SESSIONS]}},
                "rows": {"$push": {"user": "$_id", "oldest": "$oldest", "sessions": "$sessions"}},
            }
        },
        {
            "$project": {
                "_id": 0,
                "owner": {"$literal": owner},
                "expires_at": {"$literal": expires_at},
                "rows": 1,
            }
        },
        {"$merge": {"into": "rollups", "whenMatched": "fail"}},
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
