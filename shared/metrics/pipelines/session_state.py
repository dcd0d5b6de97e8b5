"""The state of a rollup: every session active at its end, with the last event of each.

The last event tells whether a session is active at any later instant. Most are *firm*: active
still when the state is replaced. Users of firm sessions only are totalled beside the state, so
that an answer need look at nobody but those who did something since, or whose sessions run out.

A state is made of the one before it and of the sessions that came since. It has one or more parts,
each with the users of some hashes, so that a large one is made in steps that each take a moment.
And it has two halves: users of whom nothing came and nothing ran out stay together as they are,
which costs next to nothing, and the others are merged one by one and begin documents of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bson import ObjectId

from shared.metrics.pipelines.salting import HotUsers, row_key
from shared.metrics.pipelines.session_merge import JOIN_CAME, merge_what_came
from shared.metrics.pipelines.sessions import SESSION_OF_USER
from shared.metrics.pipelines.window import Pipeline, active_by, into_rollups
from shared.storage.database import Document
from shared.windows import ACTIVE

TOTALS: Final = ("users", "sessions", "one", "two", "three_or_more")  # of firm users


@dataclass(frozen=True)
class Before:
    """Where a part finds its users in the state before: in its own part, or in all of them."""

    owners: Sequence[ObjectId]
    divided_alike: bool


@dataclass(frozen=True)
class StatePart:
    """One part of a new state."""

    owner: ObjectId
    number: int
    parts: int
    before: Before | None  # None: there is no state before
    came: ObjectId  # owner of the sessions that came since
    anew: Sequence[str]  # users whose sessions all came, those of the state before too
    until: datetime
    firm_after: datetime  # users of older sessions are not totalled
    expires_at: datetime


def rows_of_state(state: Sequence[ObjectId]) -> Pipeline:
    """Give the rows of a state, or of some parts of it, as `{"_id": user, "row"}`; on `rollups`."""
    return [
        {"$match": {"owner": {"$in": list(state)}}},
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


@dataclass(frozen=True)
class Arrived:
    """What arrived in `(since, until]`, and of users that are hot `anew` all before it too."""

    since: datetime
    until: datetime
    hot: HotUsers

    def match(self) -> Document:
        """Match what of it keeps its user active at `until`."""
        since = arrived_active(self.since, self.until)
        if not self.hot.anew:
            return since
        of_anew: Document = {"user_id": {"$in": list(self.hot.anew)}}
        return {"$or": [since, of_anew | active_by(self.until)]}


def sessions_that_came(
    arrived: Arrived, came: Sequence[ObjectId], documents: int, expires_at: datetime
) -> Pipeline:
    """Write the sessions of the events that arrived, a part to each of `came`.

    On `events`, into `rollups`, up to so many documents a part `{owner, expires_at, rows: [{user,
    ids, lasts}]}`: the sessions of a user (or of a row of a hot user) that are active at `until`
    and the last event of each, null standing for events without a session.
    """
    lists = {"ids": {"$push": "$_id.session"}, "lasts": {"$push": "$last"}}
    return [
        {"$match": arrived.match()},
        SESSION_OF_USER,
        {"$group": {"_id": row_key("$_id.user", "$_id.session", arrived.hot.users)} | lists},
        # Also because MongoDB 6.0 errs in three `$group` stages in a row.
        {"$project": {"row": {"user": "$_id", "ids": "$ids", "lasts": "$lasts"}}},
        *into_parts(came, documents, expires_at),
    ]


def arrived_active(since: datetime, until: datetime) -> Document:
    """Match what arrived in `(since, until]` and keeps its user active at `until`."""
    return active_by(until) | {"received_at": {"$gt": since, "$lte": until}}


def into_parts(owners: Sequence[ObjectId], documents: int, expires_at: datetime) -> Pipeline:
    """Write each `row` to the owner of its user's part, up to so many documents a part."""
    owner = {"$arrayElemAt": [{"$literal": list(owners)}, "$_id.part"]}
    return [
        _spread(documents, part_of("$row.user", len(owners))),
        *into_rollups(owner, expires_at, {"rows": 1}),
    ]


def part_of(user: str, parts: int) -> Document:
    """Give the number of the part that a user is in."""
    return {"$abs": {"$mod": [{"$toHashedIndexKey": user}, parts]}}


def untouched_sessions(before: Before, part: StatePart) -> Pipeline:
    """Write the half of a part that is as it was in the state `before`.

    On `rollups`, into `rollups`: users of whom nothing came, and whose
    sessions are all active still. Documents as of `touched_sessions`.
    """
    of_document: Pipeline = [
        {"$match": {"owner": {"$in": list(before.owners)}}},
        _keep_rows(*_of_part(before, part), {"$not": _is_touched(part.until)}),
        {"$match": {"rows": {"$ne": []}}},
    ]
    return [*_beside_came(part.came, of_document), *_into_state(part)]


def touched_sessions(part: StatePart, documents: int, *, whole: bool) -> Pipeline:
    """Write the other half: users of whom something came, and users whose sessions ran out.

    Or the `whole` part, which is cheaper where it is most of them. On `rollups`, into `rollups`, up
    to so many documents `{owner, expires_at, rows, known, entries, users, sessions, one, two,
    three_or_more}`. Rows `{user, ids, lasts, oldest, newest, count, without}`: the sessions of a
    user and the last event of each, null standing for events without a session; the oldest and
    newest of these; the number of sessions; the last event without one, or null. The rest is what
    `totals_of_state` adds up.
    """
    edge, before = part.until - ACTIVE, part.before
    rows: Pipeline = [
        {"$match": {"owner": part.came}},
        {"$unwind": "$rows"},
        {"$project": {"_id": "$rows.user", "came": "$rows"}},
    ]
    if before:  # else this may be all of five minutes, whose users are too many for one list
        known = rows_of_state(before.owners)
        wanted = _of_part(before, part) + ([] if whole else [_is_touched(part.until)])
        if wanted:
            known.insert(1, _keep_rows(*wanted))
        if not whole:
            known = _beside_came(part.came, known)
        rows = [*known, {"$unionWith": {"coll": "rollups", "pipeline": rows}}]
    return [
        *rows,
        JOIN_CAME,
        *merge_what_came(edge),
        {"$match": {"row.newest": {"$gt": edge}}},
        _spread(documents),
        *_into_state(part),
    ]


def _of_part(before: Before, part: StatePart) -> list[Document]:
    conditions: list[Document] = []
    if not before.divided_alike:
        conditions.append({"$eq": [part_of("$$this.user", part.parts), part.number]})
    if part.anew:
        conditions.append({"$not": {"$in": ["$$this.user", {"$literal": list(part.anew)}]}})
    return conditions


def _is_touched(until: datetime) -> Document:
    return {"$or": [{"$lte": ["$$this.oldest", until - ACTIVE]}, IS_OF_USERS]}


def _keep_rows(*conditions: Document) -> Document:
    return {
        "$project": {"rows": {"$filter": {"input": "$rows", "cond": {"$and": list(conditions)}}}}
    }


def _beside_came(came: ObjectId, pipeline: Pipeline) -> Pipeline:
    """Run a pipeline on `rollups` that knows the `$$users` of whom something came."""
    return [
        {"$match": {"owner": came}},
        {"$unwind": "$rows"},
        *beside_users("$rows.user", pipeline),
        {"$unwind": "$found"},  # one by one: all at once would be too large
        {"$replaceRoot": {"newRoot": "$found"}},
    ]


def _spread(documents: int, part: Document | None = None) -> Document:
    """Put rows into so many documents, by chance; or so many for each `part`."""
    by_chance = {"$floor": {"$multiply": [{"$rand": {}}, documents]}}
    return {"$group": {"_id": {"part": part, "chance": by_chance}, "rows": {"$push": "$row"}}}


def _into_state(part: StatePart) -> Pipeline:
    """Write documents of `rows` with the totals of firm users, by their number of sessions."""
    counts = {"$map": {"input": _firm_rows(part.firm_after), "in": "$$this.count"}}

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
        *into_rollups(part.owner, part.expires_at, {"rows": 1} | sizes | totals),
    ]


def _firm_rows(firm_after: datetime, least: int = 0) -> Document:
    is_firm: list[Document] = [{"$gt": ["$$this.oldest", firm_after]}]
    if least:
        is_firm.append({"$gte": ["$$this.count", least]})
    return {"$filter": {"input": "$rows", "cond": {"$and": is_firm}}}


def totals_of_state(state: Sequence[ObjectId]) -> Pipeline:
    """Add up a state; on `rollups`.

    One document: `known` users and their `entries`, which are sessions; of firm users `users`,
    `sessions`, and `one`, `two` and `three_or_more` as counts of those with so many sessions.
    """
    sums = {name: {"$sum": f"${name}"} for name in ("known", "entries", *TOTALS)}
    return [{"$match": {"owner": {"$in": list(state)}}}, {"$group": {"_id": None} | sums}]


def first_of_state(
    state: Sequence[ObjectId], firm_after: datetime, least: int, top: int
) -> Pipeline:
    """List the first `top` firm users of at least so many sessions; on `rollups`.

    Documents `{"_id": user_id, "sessions"}`, most sessions first, ties by id.
    """
    return [
        {"$match": {"owner": {"$in": list(state)}}},
        {"$project": {"rows": _firm_rows(firm_after, least)}},
        {"$unwind": "$rows"},
        {"$project": {"_id": "$rows.user", "sessions": "$rows.count"}},
        {"$sort": {"sessions": -1, "_id": 1}},
        {"$limit": top},
    ]
