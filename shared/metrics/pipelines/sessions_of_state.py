"""Active users, and the sessions of each, from the state of a rollup and what came since."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bson import ObjectId

from shared.metrics.pipelines.arrays import at_places, places
from shared.metrics.pipelines.salting import JOIN_SALTED
from shared.metrics.pipelines.session_merge import FEW, JOIN_CAME
from shared.metrics.pipelines.session_state import IS_OF_USERS, beside_users, rows_of_state
from shared.metrics.pipelines.sessions import rank_users
from shared.metrics.pipelines.sessions_since import Since, users_since
from shared.metrics.pipelines.window import Pipeline
from shared.storage.database import Document
from shared.windows import ACTIVE

# How many of those who came are not `$$active`. For 20,000 users with 17 sessions each, making a
# set of every user's takes 35 ms of 300 longer than looking through the list.
_PRODUCT: Final[Document] = {"$multiply": [{"$size": "$came"}, {"$size": "$$active"}]}
_IS_NEW: Final[Document] = {"$not": {"$in": ["$$this", "$$active"]}}
_NEW: Final[Document] = {
    "$size": {
        "$cond": [
            {"$gt": [_PRODUCT, FEW]},
            {"$setDifference": ["$came", "$$active"]},
            {"$filter": {"input": "$came", "cond": _IS_NEW}},
        ]
    }
}


def _count_sessions(edge: datetime, also: Document) -> Pipeline:
    """Count the `sessions` of joined users that are active at a window that begins at `edge`."""
    ids: Document = {"$ifNull": ["$row.ids", []]}
    lasts: Document = {"$ifNull": ["$row.lasts", []]}
    all_active = {"$gt": ["$row.oldest", edge]}  # most users
    is_active = {"$gt": [{"$arrayElemAt": ["$row.lasts", "$$place"]}, edge]}
    active_ids = at_places("$row.ids", places(ids, is_active))
    active_lasts = {"$size": {"$filter": {"input": lasts, "cond": {"$gt": ["$$this", edge]}}}}
    without = {"$cond": [{"$gt": ["$row.without", edge]}, 1, 0]}
    known = {"$cond": [all_active, "$row.count", {"$subtract": [active_lasts, without]}]}
    active: Document = {"$cond": [all_active, "$row.ids", active_ids]}
    new = {"$cond": ["$came", {"$let": {"vars": {"active": active}, "in": _NEW}}, 0]}
    return [
        {"$match": {"$or": [{"came": {"$ne": None}}, {"row.newest": {"$gt": edge}}]}},
        {"$project": {"sessions": {"$add": [known, new]}} | also},
    ]


def sessions_of_state(
    at: datetime, state: Sequence[ObjectId], since: Since, users: int
) -> Pipeline:
    """Count what `sessions_of_events` counts from a state and what arrived since; on `rollups`.

    Of the users of a share, if only its parts of the state are given. Looks at every user, so it
    serves at any `at`.
    """
    return [
        *rows_of_state(state),
        {"$unionWith": {"coll": "events", "pipeline": users_since(at, since)}},
        JOIN_CAME,
        *_count_sessions(at - ACTIVE, {}),
        *([JOIN_SALTED] if since.hot else []),
        rank_users(users),
    ]


def sessions_beside_firm(
    at: datetime, state: Sequence[ObjectId], since: Since, firm_after: datetime, users: int
) -> Pipeline:
    """Count the users whom the totals of a state do not count, or count as they were; on `events`.

    Those who did something since, and those with a session whose last event is not after
    `firm_after`; nobody may be hot. One document like that of `sessions_of_events`, and in it
    `was`: like `spread`, what the totals hold of the same users, who have `_id` 0 if no session.
    """
    is_loose = {"$lte": ["$$this.oldest", firm_after]}
    looked_at = {"$filter": {"input": "$rows", "cond": {"$or": [is_loose, IS_OF_USERS]}}}
    known = rows_of_state(state)
    known.insert(1, {"$project": {"rows": looked_at}})
    before = {"$cond": [{"$gt": ["$row.oldest", firm_after]}, "$row.count", None]}
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
        *users_since(at, since),
        *beside_users("$_id", known, rows="$$ROOT"),
        {"$project": {"rows": {"$concatArrays": ["$rows", "$found"]}}},
        {"$unwind": "$rows"},
        {"$project": {"_id": "$rows._id", "row": "$rows.row", "came": "$rows.came"}},
        JOIN_CAME,
        *_count_sessions(at - ACTIVE, {"before": before}),
        rank,
    ]
