"""The state of a rollup: every session active at its end, with the last event of each.

The last event tells whether a session is active at any later instant. Most are *firm*: active
still when the state is replaced. Users of firm sessions only are totalled beside the state, so
that an answer looks at nobody but those who did something since, or whose sessions run out.
"""

from datetime import datetime
from typing import Final

from bson import ObjectId

from shared.database import Document
from shared.pipelines.sessions import SESSION_OF_USER, rank_users
from shared.pipelines.window import Pipeline, into_rollups, union_with_events, within
from shared.windows import ACTIVE

_SESSIONS: Final = 5000  # in a document: of 0.5 KiB, 2.5 MB, and one user may have more

_TOTALS: Final = ("users", "sessions", "one", "two", "three_or_more")  # of firm users

_BY_USER: Final[Pipeline] = [
    SESSION_OF_USER,  # a `$project` after it makes MongoDB 6.0.5 crash at `explain`
    {"$group": {"_id": "$_id.user", "ids": {"$push": "$_id.session"}}},
]
_ALL_IDS: Final[Document] = {
    "$cond": [
        {"$eq": [{"$size": "$lists"}, 1]},
        {"$first": "$lists"},
        {
            "$reduce": {
                "input": "$lists",
                "initialValue": [],
                "in": {"$setUnion": ["$$value", "$$this"]},
            }
        },
    ]
}
_COUNT_SESSIONS: Final[Document] = {"$size": {"$setDifference": [_ALL_IDS, [None]]}}


def _active_ids(edge: datetime) -> Document:
    """Give the sessions of a row that are active at a window that begins at `edge`."""
    active = {"$filter": {"input": "$rows.sessions", "cond": {"$gt": ["$$this.last", edge]}}}
    return {
        "$cond": [
            {"$gt": ["$rows.oldest", edge]},  # most users: 20 ms instead of 70 for 20,000
            "$rows.sessions.id",
            {"$map": {"input": active, "in": "$$this.id"}},
        ]
    }


def _arrived_since(at: datetime, until: datetime) -> Document:
    return {"received_at": {"$gt": until}, "occurred_at": within(at, ACTIVE)}


def sessions_of_state(at: datetime, state: ObjectId, until: datetime, users: int) -> Pipeline:
    """Count what `sessions_of_events` counts from the state of all arrivals up to `until`.

    On `rollups`. Looks at every session, so it serves at any `at`; raw events count that arrived
    after `until`.
    """
    return [
        {"$match": {"owner": state}},
        {"$unwind": "$rows"},
        {"$project": {"_id": "$rows.user", "ids": _active_ids(at - ACTIVE)}},
        {"$match": {"ids": {"$ne": []}}},
        union_with_events(_arrived_since(at, until), _BY_USER),
        {"$group": {"_id": "$_id", "lists": {"$push": "$ids"}}},
        {"$project": {"sessions": _COUNT_SESSIONS}},
        rank_users(users),
    ]


def firm_sessions(state: ObjectId) -> Pipeline:
    """Add up the totals of firm users; on `rollups`.

    One document, or none: `users`, `sessions`, `one`, `two` and `three_or_more` as counts of the
    users with so many sessions, and `top`, lists of `{"_id": user_id, "sessions"}`.
    """
    return [
        {"$match": {"owner": state}},
        {
            "$group": {"_id": None, "top": {"$push": "$firm.top"}}
            | {name: {"$sum": f"$firm.{name}"} for name in _TOTALS}
        },
    ]


def sessions_beside_firm(
    at: datetime, state: ObjectId, until: datetime, firm_after: datetime, users: int
) -> Pipeline:
    """Count the users whom `firm_sessions` does not count, or counts as they were; on `events`.

    Those who did something that arrived after `until`, and those with a session whose last event
    is not after `firm_after`. One document like that of `sessions_of_events`, and in it `was`: like
    `spread`, what `firm_sessions` holds of the same users, those without a session as `_id` 0.
    """
    nobody: Document = {"users": [], "rows": []}
    is_loose = {"$lte": ["$$this.oldest", firm_after]}
    # `$$touched` is a constant in here, so MongoDB makes a set of it once.
    is_touched = {"$setIsSubset": [["$$this.user"], "$$touched"]}
    looked_at = {"$filter": {"input": "$rows", "cond": {"$or": [is_loose, is_touched]}}}
    before = {"$cond": [{"$gt": ["$rows.oldest", firm_after]}, "$rows.count", None]}
    known: Pipeline = [
        {"$match": {"owner": state}},
        {"$project": {"rows": looked_at}},
        {"$unwind": "$rows"},
        {"$project": {"_id": "$rows.user", "ids": _active_ids(at - ACTIVE), "before": before}},
        {"$match": {"ids": {"$ne": []}}},
    ]
    rank = rank_users(users)
    rank["$facet"]["was"] = [
        {"$match": {"before": {"$ne": None}}},
        {
            "$group": {
                "_id": {"$min": ["$before", 3]},
                "users": {"$sum": 1},
                "sessions": {"$sum": "$before"},
            }
        },
    ]
    return [
        {"$match": _arrived_since(at, until)},
        *_BY_USER,
        {"$match": {"ids": {"$ne": []}}},  # MongoDB 6.0 errs in three `$group` stages in a row
        {"$group": {"_id": None, "users": {"$push": "$_id"}, "rows": {"$push": "$$ROOT"}}},
        {"$unionWith": {"pipeline": [{"$documents": [nobody]}]}},
        {"$limit": 1},
        {
            "$lookup": {
                "from": "rollups",
                "let": {"touched": "$users"},
                "pipeline": known,
                "as": "known",
            }
        },
        {"$project": {"rows": {"$concatArrays": ["$rows", "$known"]}}},
        {"$unwind": "$rows"},
        {
            "$group": {
                "_id": "$rows._id",
                "lists": {"$push": "$rows.ids"},
                "before": {"$max": "$rows.before"},
            }
        },
        {"$project": {"before": 1, "sessions": _COUNT_SESSIONS}},
        rank,
    ]


def state_of_sessions(  # noqa: PLR0913 - what it reads, and what it writes
    previous: ObjectId | None,
    since: datetime,
    until: datetime,
    *,
    owner: ObjectId,
    firm_after: datetime,
    top: int,
    expires_at: datetime,
) -> Pipeline:
    """Write every session active at `until` as state `owner`.

    On `rollups`, into `rollups`: the state `previous`, and the events that arrived in `(since,
    until]`. Documents `{owner, expires_at, rows: [{user, oldest, count, sessions: [{id, last}]}],
    firm}`, with the least `last` as `oldest` and the totals of users whose `oldest` is after
    `firm_after`. Seeing an event twice changes nothing, so `since` may reach back before
    `previous`.
    """
    edge = until - ACTIVE
    arrived = {"received_at": {"$gt": since, "$lte": until}, "occurred_at": {"$gt": edge}}
    rows_of_arrivals: Pipeline = [
        SESSION_OF_USER,
        {
            "$group": {
                "_id": "$_id.user",
                "oldest": {"$min": "$last"},
                "sessions": {"$push": {"id": "$_id.session", "last": "$last"}},
            }
        },
        {
            "$project": {
                "_id": 0,
                "rows.user": "$_id",
                "rows.oldest": "$oldest",
                "rows.sessions": "$sessions",
            }
        },
    ]
    is_one_list = {"$eq": [{"$size": "$lists"}, 1]}
    as_it_was = {"$and": [is_one_list, {"$gt": ["$oldest", edge]}, {"$gt": ["$count", None]}]}
    with_id = {"$filter": {"input": "$sessions", "cond": {"$ne": ["$$this.id", None]}}}
    firm: Document = {name: f"${name}" for name in _TOTALS}
    firm["top"] = {"$filter": {"input": "$top", "cond": {"$gt": ["$$this.sessions", 0]}}}
    return [
        {"$match": {"owner": previous}},
        {"$unwind": "$rows"},
        union_with_events(arrived, rows_of_arrivals),
        {
            "$group": {
                "_id": "$rows.user",
                "oldest": {"$min": "$rows.oldest"},
                "count": {"$max": "$rows.count"},
                "lists": {"$push": "$rows.sessions"},
            }
        },
        {"$set": {"same": as_it_was}},
        {"$set": {"sessions": {"$cond": ["$same", {"$first": "$lists"}, _merged_lists(edge)]}}},
        {"$match": {"sessions": {"$ne": []}}},
        {
            "$set": {
                "oldest": {"$cond": ["$same", "$oldest", {"$min": "$sessions.last"}]},
                "count": {"$cond": ["$same", "$count", {"$size": with_id}]},
            }
        },
        {
            "$setWindowFields": {
                "sortBy": {"_id": 1},
                "output": {
                    "place": {
                        "$sum": {"$add": ["$count", 1]},
                        "window": {"documents": ["unbounded", "current"]},
                    }
                },
            }
        },
        {"$set": {"firm": {"$cond": [{"$gt": ["$oldest", firm_after]}, "$count", None]}}},
        _documents_of_state(top),
        *into_rollups(owner, expires_at, {"rows": 1, "firm": firm}),
    ]


def _merged_lists(edge: datetime) -> Document:
    """Join the lists of one user: each session once, with its last event, if after `edge`.

    Sorted and not searched, for one user may have many thousands of sessions.
    """
    joined = {"$concatArrays": ["$$value", "$$this"]}
    every = {"$reduce": {"input": "$lists", "initialValue": [], "in": joined}}
    active = {"$filter": {"input": every, "cond": {"$gt": ["$$this.last", edge]}}}
    newest_first = {"$sortArray": {"input": active, "sortBy": {"id": 1, "last": -1}}}
    id_before = {"$arrayElemAt": ["$$ids", {"$subtract": ["$$place", 1]}]}
    id_here = {"$arrayElemAt": ["$$ids", "$$place"]}
    is_newest = {"$or": [{"$eq": ["$$place", 0]}, {"$ne": [id_here, id_before]}]}
    places = {"$range": [0, {"$size": "$$sorted"}]}
    kept = {"$filter": {"input": places, "as": "place", "cond": is_newest}}
    session = {"$arrayElemAt": ["$$sorted", "$$place"]}
    one_each = {"$map": {"input": kept, "as": "place", "in": session}}
    with_ids = {"$let": {"vars": {"ids": "$$sorted.id"}, "in": one_each}}
    return {"$let": {"vars": {"sorted": newest_first}, "in": with_ids}}


def _documents_of_state(top: int) -> Document:
    """Pack users, with the count of sessions of firm ones as `firm`, into documents of a state."""

    def count_if(condition: Document) -> Document:
        return {"$sum": {"$cond": [condition, 1, 0]}}

    row = {"user": "$_id", "oldest": "$oldest", "count": "$count", "sessions": "$sessions"}
    return {
        "$group": {
            "_id": {"$floor": {"$divide": ["$place", _SESSIONS]}},
            "rows": {"$push": row},
            "users": count_if({"$ne": ["$firm", None]}),
            "sessions": {"$sum": "$firm"},
            "one": count_if({"$eq": ["$firm", 1]}),
            "two": count_if({"$eq": ["$firm", 2]}),
            "three_or_more": count_if({"$gte": ["$firm", 3]}),
            "top": {
                "$topN": {
                    "n": top,
                    "sortBy": {"firm": -1, "_id": 1},
                    "output": {"_id": "$_id", "sessions": "$firm"},
                }
            },
        }
    }
