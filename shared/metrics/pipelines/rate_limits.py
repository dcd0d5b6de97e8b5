"""The sliding-window counter of a rate limit, as an atomic update."""

from datetime import datetime

from shared.metrics.pipelines.window import Pipeline


def count_in_window(
    window: int, left: float, limit: int, amount: int, expires_at: datetime
) -> Pipeline:
    """Count `amount` hits in a rate limit's document, as an update.

    Rolls the counts on to tumbling window number `window`, of which the part `left` is still to
    come, then adds `amount` to `current` and sets `acquired` if the sliding window permits it.
    """
    last = {"$ifNull": ["$window", window]}
    current = {"$ifNull": ["$current", 0]}
    previous = {"$ifNull": ["$previous", 0]}
    rolled_previous = {
        "$switch": {
            "branches": [
                {"case": {"$gte": [last, window]}, "then": previous},
                {"case": {"$eq": [last, window - 1]}, "then": current},
            ],
            "default": 0,
        }
    }
    weighted = {"$add": [{"$floor": {"$multiply": ["$previous", left]}}, "$current", amount]}
    return [
        {
            "$set": {
                "previous": rolled_previous,
                "current": {"$cond": [{"$gte": [last, window]}, current, 0]},
                "window": {"$max": [last, window]},
                "expires_at": expires_at,
            }
        },
        {"$set": {"acquired": {"$lte": [weighted, limit]}}},
        {"$set": {"current": {"$add": ["$current", {"$cond": ["$acquired", amount, 0]}]}}},
    ]
