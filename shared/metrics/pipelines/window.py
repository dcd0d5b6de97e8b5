"""What every pipeline has in common: windows, and raw events beside rollups."""

from datetime import datetime, timedelta

from bson import ObjectId

from shared.storage.database import Document
from shared.windows import ACTIVE

Pipeline = list[Document]


def within(at: datetime, length: timedelta) -> Document:
    """Match the window of `length` at `at`: `at − length < x ≤ at`."""
    return {"$gt": at - length, "$lte": at}


def active_by(until: datetime) -> Document:
    """Match what has arrived by `until` and keeps its user active then."""
    return {"received_at": {"$lte": until}, "occurred_at": {"$gt": until - ACTIVE}}


def union_with_events(match: Document, pipeline: Pipeline) -> Document:
    """Add what `pipeline` makes of the raw events that match."""
    return {"$unionWith": {"coll": "events", "pipeline": [{"$match": match}, *pipeline]}}


def into_rollups(owner: ObjectId | Document, expires_at: datetime, fields: Document) -> Pipeline:
    """Write `fields` as documents of a rollup that belong to `owner`, or to what it works out."""
    belonging = {"owner": owner, "expires_at": expires_at}
    return [
        {"$project": {"_id": 0} | belonging | fields},
        {"$merge": {"into": "rollups", "whenMatched": "fail"}},
    ]
