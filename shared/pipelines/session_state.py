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


def _active_ids(edge: datetime) -> Document:
    """Give the sessions of a row that are active at a window that begins at `edge`."""
    is_active = {"$gt": [{"$arrayElemAt": ["$rows.lasts", "$$place"]}, edge]}
    return {
        "$cond": [
            {"$gt": ["$rows.oldest", edge]},  # most users: 20 ms instead of 70 for 20,000
            "$rows.ids",
            _at_places("$rows.ids", _places("$rows.ids", is_active)),
        ]
    }


def _places(array: str, condition: Document) -> Document:
    """Give the indices of `array` for which a condition on `$$place` holds."""
    every = {"$range": [0, {"$size": array}]}
    return {"$filter": {"input": every, "as": "place", "cond": condition}}


def _at_places(array: str, places: Document | str) -> Document:
    here = {"$arrayElemAt": [array, "$$place"]}
    return {"$map": {"input": places, "as": "place", "in": here}}


def _count(ids: Document | str) -> Document:
    """Count the sessions in a list, in which null stands for events without one."""
    return {"$size": {"$setDifference": [ids, [None]]}}


_ANY_OF_LISTS: Final[Document] = {
    "$cond": [
        {"$eq": [{"$size": "$lists"}, 1]},
        {"$first": "$lists"},
        {"$setUnion": [{"$first": "$lists"}, {"$last": "$lists"}]},  # the known, the arrived
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
        {"$project": {"sessions": _count(_ANY_OF_LISTS)}},
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
        {"$project": {"before": 1, "sessions": _count(_ANY_OF_LISTS)}},
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
    until]`. Documents `{owner, expires_at, rows: [{user, oldest, count, ids, lasts}], firm}`: the
    sessions of a user, the last event of each, the oldest of these, and the number of sessions;
    then the totals of users whose `oldest` is after `firm_after`. Seeing an event twice changes
    nothing, so `since` may reach back before `previous`.
    """
    edge = until - ACTIVE
    arrived = {"received_at": {"$gt": since, "$lte": until}, "occurred_at": {"$gt": edge}}
    pair = {"$concatArrays": [["$_id.session", "$last"]]}  # `$push` takes no array as it is
    pairs_of_arrivals: Pipeline = [
        SESSION_OF_USER,
        {"$group": {"_id": "$_id.user", "pairs": {"$push": pair}}},
        {"$project": {"_id": 0, "rows": {"user": "$_id", "pairs": "$pairs"}}},
    ]
    is_same = {
        "$and": [
            {"$eq": [{"$size": "$rows"}, 1]},
            {"$gt": [{"$first": "$rows.oldest"}, edge]},  # missing in a row of arrivals
        ]
    }
    firm: Document = {name: f"${name}" for name in _TOTALS}
    firm["top"] = {"$filter": {"input": "$top", "cond": {"$gt": ["$$this.sessions", 0]}}}
    return [
        {"$match": {"owner": previous}},
        {"$unwind": "$rows"},
        union_with_events(arrived, pairs_of_arrivals),
        {"$group": {"_id": "$rows.user", "rows": {"$push": "$rows"}}},
        {"$set": {"same": is_same}},
        *_merge_rows(edge),
        {"$match": {"row.ids": {"$ne": []}}},
        {
            "$setWindowFields": {
                "sortBy": {"_id": 1},
                "output": {
                    "place": {
                        "$sum": {"$add": ["$row.count", 1]},
                        "window": {"documents": ["unbounded", "current"]},
                    }
                },
            }
        },
        {"$set": {"firm": {"$cond": [{"$gt": ["$row.oldest", firm_after]}, "$row.count", None]}}},
        _documents_of_state(top),
        *into_rollups(owner, expires_at, {"rows": 1, "firm": firm}),
    ]


def _merge_rows(edge: datetime) -> Pipeline:
    """Make one `row` of the known row and the arrivals of each user, unless it is the `same`.

    Each session once, with its last event, if that is after `edge`. Sorted and not searched, for
    one user may have many thousands of sessions.
    """

    def pairs_of(row: str) -> Document:
        known = {"$zip": {"inputs": [f"$${row}.ids", f"$${row}.lasts"]}}
        return {"$ifNull": [f"$${row}.pairs", known]}

    both: Document = {
        "$let": {
            "vars": {"one": {"$first": "$rows"}, "other": {"$last": "$rows"}},
            "in": {"$concatArrays": [pairs_of("one"), pairs_of("other")]},
        }
    }
    id_after = {"$arrayElemAt": ["$ids", {"$add": ["$$place", 1]}]}
    is_last = {"$ne": [{"$arrayElemAt": ["$ids", "$$place"]}, id_after]}
    is_active = {"$gt": [{"$arrayElemAt": ["$lasts", "$$place"]}, edge]}
    merged = {
        "user": "$_id",
        "oldest": {"$min": "$lasts"},
        "count": _count("$ids"),
        "ids": "$ids",
        "lasts": "$lasts",
    }
    return [
        {"$set": {"pairs": {"$cond": ["$same", [], {"$sortArray": {"input": both, "sortBy": 1}}]}}},
        {
            "$set": {
                "ids": {"$map": {"input": "$pairs", "in": {"$first": "$$this"}}},
                "lasts": {"$map": {"input": "$pairs", "in": {"$last": "$$this"}}},
            }
        },
        {"$set": {"places": _places("$ids", {"$and": [is_active, is_last]})}},
        {
            "$set": {
                "ids": _at_places("$ids", "$places"),
                "lasts": _at_places("$lasts", "$places"),
            }
        },
        {"$project": {"row": {"$cond": ["$same", {"$first": "$rows"}, merged]}}},
    ]


def _documents_of_state(top: int) -> Document:
    """Pack users, with the count of sessions of firm ones as `firm`, into documents of a state."""

    def count_if(condition: Document) -> Document:
        return {"$sum": {"$cond": [condition, 1, 0]}}

    return {
        "$group": {
            "_id": {"$floor": {"$divide": ["$place", _SESSIONS]}},
            "rows": {"$push": "$row"},
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
