"""Hot users: those with more sessions than a document of 16 MB, the largest there is, can hold.

One user id for every guest of a shop is enough. The sessions of such a user are spread over rows
of their own, as if it were many users, and added up in answers. All others have one row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.metrics.pipelines.window import Pipeline, active_by
from shared.storage.database import Document

# Rows of a hot user. A million sessions with ids of 36 bytes are then 0.3 MB a row. Count up the
# form of rollups when this changes.
_SALTS: Final = 256
# Events of a user in the window. 10,000 sessions take 0.6 MB, or 5 MB where ids are longest.
_HOT: Final = 10_000


@dataclass(frozen=True)
class HotUsers:
    """Users whose sessions are in many rows."""

    users: Sequence[str]
    anew: Sequence[str] = ()  # those whose sessions were in one row in the state before
    events: int = 0  # of those


def row_key(user: str, session: str, hot: Sequence[str]) -> Document | str:
    """Give the key of the row that a session of a user is in: the user, or a part of a hot one."""
    if not hot:
        return user
    hashed = {"$toHashedIndexKey": {"$ifNull": [session, None]}}
    salt = {"$abs": {"$mod": [hashed, _SALTS]}}
    return {"$cond": [{"$in": [user, {"$literal": list(hot)}]}, {"user": user, "salt": salt}, user]}


# Adds up the sessions of documents `{"_id": key, "sessions"}` by user.
JOIN_SALTED: Final[Document] = {
    "$group": {"_id": {"$ifNull": ["$_id.user", "$_id"]}, "sessions": {"$sum": "$sessions"}}
}


def hot_users(until: datetime) -> Pipeline:
    """List users that may have too many sessions at `until`, `{"_id": user_id, "events"}`.

    On `events`: those of whom more than 10,000 events keep them active then.
    """
    return [
        {"$match": active_by(until)},
        {"$group": {"_id": "$user_id", "events": {"$sum": 1}}},
        {"$match": {"events": {"$gt": _HOT}}},
    ]
