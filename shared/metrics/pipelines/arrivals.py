"""Counts by arrival in the last 15 minutes."""

from datetime import datetime

from shared.metrics.pipelines.window import Pipeline, within
from shared.windows import VIEWS


def late_arrivals(at: datetime) -> Pipeline:
    """Count events that arrived in the last 15 minutes, too old for every window: `[{"count"}]`."""
    return [
        {"$match": {"late": True, "received_at": within(at, VIEWS)}},
        {"$count": "count"},
    ]


def rejected_arrivals(at: datetime) -> Pipeline:
    """Count events that were refused in the last 15 minutes: `[{"count"}]`, or `[]`."""
    return [
        {"$match": {"rejected_at": within(at, VIEWS)}},
        {"$group": {"_id": None, "count": {"$sum": "$count"}}},
    ]
