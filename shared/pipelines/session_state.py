"""The state of a rollup: every session active at its end, with the last event of each.

The last event tells whether a session is active at any later instant. Most are *firm*: active
still when the state is replaced. Users of firm sessions only are totalled beside the state, so
that an answer need look at nobody but those who did something since, or whose sessions run out.

A state is made of the one before it and of the sessions that came since, in two halves: users of
whom nothing came and nothing ran out stay together as they are, which costs next to nothing, and
the others are merged one by one and begin documents of their own.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bson import ObjectId

from shared.database import Document
from shared.pipelines.session_merge import JOIN_CAME, merge_what_came
from shared.pipelines.window import Pipeline, into_rollups
from shared.windows import ACTIVE

TOTALS: Final = ("users", "sessions", "one", "two", "three_or_more")  # of firm users


@dataclass(frozen=True)
class StateParts:
    """What the documents of a new state have in common."""

    owner: ObjectId
    until: datetime
    firm_after: datetime  # users of older sessions are not totalled
    expires_at: datetime


def rows_of_state(state: ObjectId) -> Pipeline:
    """Give the rows of a state as `{"_id": user, "row"}`; on `rollups`."""
    return [
        {"$match": {"owner": state}},
        {"$unwind": "$rows"},
        {"$project": {"_id": "$rows.user", "row": "$rows"}},
    ]


# Whether a row is of one of the `$$users`. They are a constant there: MongoDB makes a set of them.
IS_OF_USERS: Final[Document] = {"$setIsSubset": [["$$this.user"], "$$users"]}


def beside_users(user: str, pipeline: Pipeline, **also: str) -> Pipeline:
    """Run a pipeline on `rollups` that knows the `$$users` of all documents so far.

    One document: what it `found`, and lists of what is `also` taken of each document.
    """
    lists = {"users": user} | also
    nobody: Document = {name: [] for name in lists}
    return [
        {"$group": {"_id": None} | {name: {"$push": value} for name, value in lists.items()}},
        {"$unionWith": {"pipeline": [{"$documents": [nobody]}]}},
        {"$limit": 1},
        {
            "$lookup": {
                "from": "rollups",
                "let": {"users": "$users"},
                "pipeline": pipeline,
                "as": "found",
            }
        },
    ]


def sessions_that_came(
    since: datetime, until: datetime, owner: ObjectId, parts: int, expires_at: datetime
) -> Pipeline:
    """Write the sessions of all events that arrived in `(since, until]` as arrivals `owner`.

    On `events`, into `rollups`, up to `parts` documents `{owner, expires_at, rows: [{user, ids,
    lasts}]}`: the sessions of a user that are active at `until` and the last event of each, null
    standing for events without a session.
    """
    arrived = {"received_at": {"$gt": since, "$lte": until}, "occurred_at": {"$gt": until - ACTIVE}}
    pair = {"user": "$user_id", "session": {"$ifNull": ["$session_id", None]}}
    lists = {"ids": {"$push": "$_id.session"}, "lasts": {"$push": "$last"}}
    return [
        {"$match": arrived},
        {"$group": {"_id": pair, "last": {"$max": "$occurred_at"}}},
        {"$group": {"_id": "$_id.user"} | lists},
        # Also because MongoDB 6.0 errs in three `$group` stages in a row.
        {"$project": {"row": {"user": "$_id", "ids": "$ids", "lasts": "$lasts"}}},
        _spread(parts),
        *into_rollups(owner, expires_at, {"rows": 1}),
    ]


def untouched_sessions(previous: ObjectId, came: ObjectId, parts: StateParts) -> Pipeline:
    """Write the half of a state that is as it was in state `previous`.

    On `rollups`, into `rollups`: users of whom nothing is in the arrivals `came`, and whose
    sessions are all active still. Documents as of `touched_sessions`.
    """
    untouched = {"$not": _is_touched(parts.until)}
    of_document: Pipeline = [
        {"$match": {"owner": previous}},
        {"$project": {"rows": {"$filter": {"input": "$rows", "cond": untouched}}}},
        {"$match": {"rows": {"$ne": []}}},
    ]
    return [*_beside_came(came, of_document), *_into_state(parts)]


def touched_sessions(
    previous: ObjectId | None, came: ObjectId, parts: StateParts, documents: int, *, whole: bool
) -> Pipeline:
    """Write the other half: users with arrivals in `came`, and users whose sessions ran out.

    Or the `whole`, which is cheaper where it is most of them. On `rollups`, into `rollups`, up to
    so many documents `{owner, expires_at, rows, known, entries, users, sessions, one, two,
    three_or_more}`. Rows `{user, ids, lasts, oldest, newest, count, without}`: the sessions of a
    user and the last event of each, null standing for events without a session; the oldest and
    newest of these; the number of sessions; the last event without one, or null. The rest is what
    `totals_of_state` adds up.
    """
    edge = parts.until - ACTIVE
    rows: Pipeline = [
        {"$match": {"owner": came}},
        {"$unwind": "$rows"},
        {"$project": {"_id": "$rows.user", "came": "$rows"}},
    ]
    if previous:  # else this may be all of five minutes, whose users are too many for one list
        known = rows_of_state(previous)
        if not whole:
            touched = {"$filter": {"input": "$rows", "cond": _is_touched(parts.until)}}
            known.insert(1, {"$project": {"rows": touched}})
            known = _beside_came(came, known)
        rows = [*known, {"$unionWith": {"coll": "rollups", "pipeline": rows}}]
    return [
        *rows,
        JOIN_CAME,
        *merge_what_came(edge),
        {"$match": {"row.newest": {"$gt": edge}}},
        _spread(documents),
        *_into_state(parts),
    ]


def _is_touched(until: datetime) -> Document:
    return {"$or": [{"$lte": ["$$this.oldest", until - ACTIVE]}, IS_OF_USERS]}


def _beside_came(came: ObjectId, pipeline: Pipeline) -> Pipeline:
    """Run a pipeline on `rollups` that knows the `$$users` of whom something came."""
    return [
        {"$match": {"owner": came}},
        {"$unwind": "$rows"},
        *beside_users("$rows.user", pipeline),
        {"$unwind": "$found"},  # one by one: all at once would be too large
        {"$replaceRoot": {"newRoot": "$found"}},
    ]


def _spread(documents: int) -> Document:
    """Put rows into so many documents, by chance."""
    return {
        "$group": {
            "_id": {"$floor": {"$multiply": [{"$rand": {}}, documents]}},
            "rows": {"$push": "$row"},
        }
    }


def _into_state(parts: StateParts) -> Pipeline:
    """Write documents of `rows` with the totals of firm users, by their number of sessions."""
    counts = {"$map": {"input": _firm_rows(parts.firm_after), "in": "$$this.count"}}

    def count(condition: Document) -> Document:
        return {"$size": {"$filter": {"input": "$counts", "cond": condition}}}

    totals = {
        "users": {"$size": "$counts"},
        "sessions": {"$sum": "$counts"},
        "one": count({"$eq": ["$$this", 1]}),
        "two": count({"$eq": ["$$this", 2]}),
        "three_or_more": count({"$gte": ["$$this", 3]}),
    }
    sizes = {"known": {"$size": "$rows"}, "entries": {"$sum": "$rows.count"}}
    return [
        {"$set": {"counts": counts}},
        *into_rollups(parts.owner, parts.expires_at, {"rows": 1} | sizes | totals),
    ]


def _firm_rows(firm_after: datetime, least: int = 0) -> Document:
    is_firm: list[Document] = [{"$gt": ["$$this.oldest", firm_after]}]
    if least:
        is_firm.append({"$gte": ["$$this.count", least]})
    return {"$filter": {"input": "$rows", "cond": {"$and": is_firm}}}


def totals_of_state(state: ObjectId) -> Pipeline:
    """Add up a state; on `rollups`.

    One document: `known` users and their `entries`, which are sessions; of firm users `users`,
    `sessions`, and `one`, `two` and `three_or_more` as counts of those with so many sessions.
    """
    sums = {name: {"$sum": f"${name}"} for name in ("known", "entries", *TOTALS)}
    return [{"$match": {"owner": state}}, {"$group": {"_id": None} | sums}]


def first_of_state(state: ObjectId, firm_after: datetime, least: int, top: int) -> Pipeline:
    """List the first `top` firm users of at least so many sessions; on `rollups`.

    Documents `{"_id": user_id, "sessions"}`, most sessions first, ties by id.
    """
    return [
        {"$match": {"owner": state}},
        {"$project": {"rows": _firm_rows(firm_after, least)}},
        {"$unwind": "$rows"},
        {"$project": {"_id": "$rows.user", "sessions": "$rows.count"}},
        {"$sort": {"sessions": -1, "_id": 1}},
        {"$limit": top},
    ]
