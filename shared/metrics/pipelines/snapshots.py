"""Stored snapshots, as a history for charts."""

from datetime import datetime, timedelta

from shared.metrics.pipelines.window import Pipeline, within


def history(at: datetime, minutes: int, step_seconds: int) -> Pipeline:
    """List the snapshots of the last `minutes`, oldest first, the last of each `step_seconds`.

    Rankings are left out: a chart draws totals.
    """
    step = step_seconds * 1000
    milliseconds = {"$toLong": "$as_of"}
    return [
        {"$match": {"as_of": within(at, timedelta(minutes=minutes))}},
        {"$project": {"page_views.top": 0, "active_sessions.users": 0}},
        {"$sort": {"as_of": 1}},
        {
            "$group": {
                "_id": {"$subtract": [milliseconds, {"$mod": [milliseconds, step]}]},
                "snapshot": {"$last": "$$ROOT"},
            }
        },
        {"$sort": {"_id": 1}},
        {"$replaceRoot": {"newRoot": "$snapshot"}},
    ]
