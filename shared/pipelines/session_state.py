"""The state of a rollup: every session active at its end, with the last event of each.

The last event tells whether a session is active at any later instant. Most are *firm*: active
still when the state is replaced. Users of firm sessions only are totalled beside the state, so
that an answer need look at nobody but those who did something since, or whose sessions run out.
"""

from datetime import datetime
from typing import Final

from bson import ObjectId

from shared.database import Document
from shared.pipelines.window import Pipeline, into_rollups, union_with_events
from shared.windows import ACTIVE

TOTALS: Final = ("users", "sessions", "one", "two", "three_or_more")  # of firm users

# Two lists of so many places together are merged by looking for each of one in the other; longer
# ones are sorted, for one user may have many thousands of sessions.
_FEW: Final = 2000

# A row of the state, and what came of the same user since; either may be null.
JOIN_CAME: Final[Document] = {
    "$group": {"_id": "$_id", "row": {"$max": "$row"}, "came": {"$max": "$came"}}
}


def rows_of_state(state: ObjectId | None) -> Pipeline:
    """Give the rows of a state as `{"_id": user, "row"}`; on `rollups`."""
    return [
        {"$match": {"owner": state}},
        {"$unwind": "$rows"},
        {"$project": {"_id": "$rows.user", "row": "$rows"}},
    ]


def places(array: Document | str, condition: Document) -> Document:
    """Give the indices of `array` for which a condition on `$$place` holds."""
    return {"$filter": {"input": _indices(array), "as": "place", "cond": condition}}


def _indices(array: Document | str) -> Document:
    return {"$range": [0, {"$size": array}]}


def _map(array: str, each: Document) -> Document:
    return {"$map": {"input": array, "in": each}}


def at_places(array: str, chosen: Document | str) -> Document:
    """Give the elements of `array` at the chosen indices."""
    here = {"$arrayElemAt": [array, "$$place"]}
    return {"$map": {"input": chosen, "as": "place", "in": here}}


def state_of_sessions(  # noqa: PLR0913 - what it reads, and what it writes
    previous: ObjectId | None,
    since: datetime,
    until: datetime,
    *,
    owner: ObjectId,
    firm_after: datetime,
    top: int,
    parts: int,
    expires_at: datetime,
) -> Pipeline:
    """Write every session active at `until` as state `owner`, in up to `parts` documents.

    On `rollups`, into `rollups`: the state `previous`, and the events that arrived in `(since,
    until]`. Seeing an event twice changes nothing, so `since` may reach back before `previous`.

    Documents `{owner, expires_at, rows, entries, firm}`. Rows `{user, ids, lasts, oldest, newest,
    count, without}`: the sessions of a user and the last event of each, null standing for events
    without a session; the oldest and newest of these; the number of sessions; the last event
    without one, or null. `entries` counts the users and their sessions; `firm` holds the totals of
    users whose `oldest` is after `firm_after`.
    """
    edge = until - ACTIVE
    arrived = {"received_at": {"$gt": since, "$lte": until}, "occurred_at": {"$gt": edge}}
    pair = {"user": "$user_id", "session": {"$ifNull": ["$session_id", None]}}
    lists = {"ids": {"$push": "$_id.session"}, "lasts": {"$push": "$last"}}
    came: Pipeline = [
        {"$group": {"_id": pair, "last": {"$max": "$occurred_at"}}},
        {"$group": {"_id": "$_id.user"} | lists},
        {"$project": {"came": {"ids": "$ids", "lasts": "$lasts"}}},
    ]
    by_sessions: Document = {"input": "$top", "sortBy": {"sessions": -1, "_id": 1}}
    firm: Document = {name: f"${name}" for name in TOTALS}
    firm["top"] = {"$slice": [{"$sortArray": by_sessions}, top]}
    return [
        *rows_of_state(previous),
        union_with_events(arrived, came),
        JOIN_CAME,
        *_merge_what_came(edge),
        {"$match": {"row.newest": {"$gt": edge}}},
        {"$set": {"firm": {"$cond": [{"$gt": ["$row.oldest", firm_after]}, "$row.count", None]}}},
        _documents_of_state(parts),
        *into_rollups(owner, expires_at, {"rows": 1, "entries": 1, "firm": firm}),
    ]


def _merge_what_came(edge: datetime) -> Pipeline:
    """Make one `row` of the row and what came, unless it stays the `same`.

    Each session once, with its last event, if that is after `edge`.
    """
    is_same = {"$and": [{"$eq": ["$came", None]}, {"$gt": ["$row.oldest", edge]}]}

    def lists_of(field: str) -> Document:
        return {
            name: {"$cond": ["$same", [], {"$ifNull": [f"${field}.{name}", []]}]}
            for name in ("ids", "lasts")
        }

    last = {"$arrayElemAt": ["$known.lasts", "$$place"]}
    came_last = {"$arrayElemAt": ["$came.lasts", {"$indexOfArray": ["$found", "$$place"]}]}
    latest = {"$cond": [{"$in": ["$$place", "$found"]}, {"$max": [last, came_last]}, last]}
    latest_of_known = {"$map": {"input": _indices("$known.ids"), "as": "place", "in": latest}}
    is_new = {"$lt": [{"$arrayElemAt": ["$found", "$$place"]}, 0]}
    is_active = {"$gt": [{"$arrayElemAt": ["$lasts", "$$place"]}, edge]}
    all_active = {"$gt": [{"$min": "$lasts"}, edge]}
    return [
        {"$set": {"same": is_same}},
        {"$set": {"known": lists_of("row"), "came": lists_of("came")}},
        *_sort_many(),
        {"$set": {"found": _map("$came.ids", {"$indexOfArray": ["$known.ids", "$$this"]})}},
        {"$set": {"new": places("$found", is_new)}},
        {
            "$set": {
                "ids": {"$concatArrays": ["$known.ids", at_places("$came.ids", "$new")]},
                "lasts": {"$concatArrays": [latest_of_known, at_places("$came.lasts", "$new")]},
            }
        },
        {"$set": {"active": {"$cond": [all_active, None, places("$ids", is_active)]}}},
        {
            "$set": {
                name: {"$cond": ["$active", at_places(f"${name}", "$active"), f"${name}"]}
                for name in ("ids", "lasts")
            }
        },
        {"$project": {"row": {"$cond": ["$same", "$row", _ROW]}}},
    ]


_ROW: Final[Document] = {
    "user": "$_id",
    "oldest": {"$min": "$lasts"},
    "newest": {"$max": "$lasts"},
    "count": {"$subtract": [{"$size": "$ids"}, {"$cond": [{"$in": [None, "$ids"]}, 1, 0]}]},
    "without": {
        "$cond": [
            {"$in": [None, "$ids"]},
            {"$arrayElemAt": ["$lasts", {"$indexOfArray": ["$ids", None]}]},
            None,
        ]
    },
    "ids": "$ids",
    "lasts": "$lasts",
}


def _sort_many() -> Pipeline:
    """Merge lists too long to look for each of one in the other: all of it is then what came."""

    def pairs_of(field: str) -> Document:
        return {"$zip": {"inputs": [f"${field}.ids", f"${field}.lasts"]}}

    sizes = [{"$size": "$known.ids"}, {"$size": "$came.ids"}]
    both = {"$concatArrays": [pairs_of("known"), pairs_of("came")]}
    pair = {"$arrayElemAt": ["$pairs", "$$place"]}
    next_pair = {"$arrayElemAt": ["$pairs", {"$add": ["$$place", 1]}]}
    is_last_of_its_id = {"$ne": [{"$first": pair}, {"$first": next_pair}]}
    merged = at_places("$pairs", places("$pairs", is_last_of_its_id))
    sides = {
        "ids": _map("$pairs", {"$first": "$$this"}),
        "lasts": _map("$pairs", {"$last": "$$this"}),
    }
    return [
        {"$set": {"many": {"$gt": [{"$multiply": sizes}, _FEW]}}},
        {"$set": {"pairs": {"$cond": ["$many", {"$sortArray": {"input": both, "sortBy": 1}}, []]}}},
        {"$set": {"pairs": merged}},
        {
            "$set": {
                "known": {"$cond": ["$many", {"ids": [], "lasts": []}, "$known"]},
                "came": {"$cond": ["$many", sides, "$came"]},
            }
        },
    ]


def _documents_of_state(parts: int) -> Document:
    """Spread users over documents, with the totals of those that have a `firm` count."""

    def count_if(condition: Document) -> Document:
        return {"$sum": {"$cond": [condition, 1, 0]}}

    one_of_top = {"_id": "$_id", "sessions": "$firm"}
    return {
        "$group": {
            "_id": {"$floor": {"$multiply": [{"$rand": {}}, parts]}},
            "rows": {"$push": "$row"},
            "entries": {"$sum": {"$add": ["$row.count", 1]}},
            "users": count_if({"$ne": ["$firm", None]}),
            "sessions": {"$sum": "$firm"},
            "one": count_if({"$eq": ["$firm", 1]}),
            "two": count_if({"$eq": ["$firm", 2]}),
            "three_or_more": count_if({"$gte": ["$firm", 3]}),
            "top": {"$push": {"$cond": [{"$gt": ["$firm", 0]}, one_of_top, "$$REMOVE"]}},
        }
    }
