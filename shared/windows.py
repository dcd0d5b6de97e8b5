"""The sliding windows that the metrics are defined over.

A window at time T is half-open: T − length < event time ≤ T.
"""

from datetime import datetime, timedelta
from typing import Final

ACTIVE: Final = timedelta(minutes=5)  # active users, active sessions of a user
VIEWS: Final = timedelta(minutes=15)  # page views by URL, events by type
LONGEST: Final = max(ACTIVE, VIEWS)

# A client's clock may run this far ahead of ours before we refuse its events.
MAX_CLOCK_LEAD: Final = timedelta(minutes=5)


def is_late(occurred_at: datetime, received_at: datetime) -> bool:
    """Return whether an event lay outside every window when it arrived."""
    return occurred_at <= received_at - LONGEST


def seconds(length: timedelta) -> int:
    """Return a window's length as the answers do."""
    return int(length.total_seconds())
