"""What active users and active sessions are read from: sessions last seen in the last 5 minutes."""

from typing import Final

from shared.metrics.engine.last_seen import LastSeen
from shared.metrics.engine.metric import MAX_LISTED
from shared.windows import ACTIVE

SESSIONS: Final = LastSeen(
    "last_seen",
    window=ACTIVE,
    constants={
        "user_id": {"$first": "$user_id"},
        # Of an event without a session: its user is active, and has no session more.
        "sessions": {"$max": {"$cond": [{"$ifNull": ["$session_id", False]}, 1, 0]}},
    },
)

# Users by how many sessions they have: `{"_id": 3, "users": 17, "first": [the first 100 ids]}`.
USERS: Final = SESSIONS.source(
    lambda _edge: [
        {"$group": {"_id": "$user_id", "sessions": {"$sum": "$sessions"}}},
        {
            "$group": {
                "_id": "$sessions",
                "users": {"$sum": 1},
                "first": {"$minN": {"input": "$_id", "n": MAX_LISTED}},
            }
        },
    ]
)
