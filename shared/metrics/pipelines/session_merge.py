"""One list of sessions of what was known of a user and what came."""

from datetime import datetime
from typing import Final

from shared.metrics.pipelines.arrays import at_places, indices, map_each, places
from shared.metrics.pipelines.window import Pipeline
from shared.storage.database import Document

# Two lists of so many places together are merged by looking for each of one in the other; longer
# ones are sorted, for one user may have many thousands of sessions.
FEW: Final = 2000

# A row of the state, and what came of the same user since; either may be null.
JOIN_CAME: Final[Document] = {
    "$group": {"_id": "$_id", "row": {"$max": "$row"}, "came": {"$max": "$came"}}
}


def merge_what_came(edge: datetime) -> Pipeline:
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
    latest_of_known = {"$map": {"input": indices("$known.ids"), "as": "place", "in": latest}}
    is_new = {"$lt": [{"$arrayElemAt": ["$found", "$$place"]}, 0]}
    is_active = {"$gt": [{"$arrayElemAt": ["$lasts", "$$place"]}, edge]}
    all_active = {"$gt": [{"$min": "$lasts"}, edge]}
    return [
        {"$set": {"same": is_same}},
        {"$set": {"known": lists_of("row"), "came": lists_of("came")}},
        *_sort_many(),
        {"$set": {"found": map_each("$came.ids", {"$indexOfArray": ["$known.ids", "$$this"]})}},
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
        "ids": map_each("$pairs", {"$first": "$$this"}),
        "lasts": map_each("$pairs", {"$last": "$$this"}),
    }
    return [
        {"$set": {"many": {"$gt": [{"$multiply": sizes}, FEW]}}},
        {"$set": {"pairs": {"$cond": ["$many", {"$sortArray": {"input": both, "sortBy": 1}}, []]}}},
        {"$set": {"pairs": merged}},
        {
            "$set": {
                "known": {"$cond": ["$many", {"ids": [], "lasts": []}, "$known"]},
                "came": {"$cond": ["$many", sides, "$came"]},
            }
        },
    ]
