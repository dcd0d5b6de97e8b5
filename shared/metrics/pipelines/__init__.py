"""Every aggregation pipeline, as a pure function of its arguments; one module for each subject."""

from shared.metrics.pipelines.arrivals import late_arrivals, rejected_arrivals
from shared.metrics.pipelines.rate_limits import count_in_window
from shared.metrics.pipelines.salting import HotUsers, hot_users
from shared.metrics.pipelines.session_state import (
    TOTALS,
    Arrived,
    Before,
    StatePart,
    first_of_state,
    sessions_that_came,
    totals_of_state,
    touched_sessions,
    untouched_sessions,
)
from shared.metrics.pipelines.sessions import sessions_of_events, sessions_of_user
from shared.metrics.pipelines.sessions_of_state import (
    sessions_beside_firm,
    sessions_of_state,
)
from shared.metrics.pipelines.sessions_since import SHARES, Since, sessions_of_slice
from shared.metrics.pipelines.snapshots import history
from shared.metrics.pipelines.views import (
    SegmentsUntil,
    Total,
    bucket_end,
    segment_of_views,
    total_of_segments,
    views_of_events,
    views_of_segments,
)
from shared.metrics.pipelines.window import Pipeline

__all__ = [
    "SHARES",
    "TOTALS",
    "Arrived",
    "Before",
    "HotUsers",
    "Pipeline",
    "SegmentsUntil",
    "Since",
    "StatePart",
    "Total",
    "bucket_end",
    "count_in_window",
    "first_of_state",
    "history",
    "hot_users",
    "late_arrivals",
    "rejected_arrivals",
    "segment_of_views",
    "sessions_beside_firm",
    "sessions_of_events",
    "sessions_of_slice",
    "sessions_of_state",
    "sessions_of_user",
    "sessions_that_came",
    "total_of_segments",
    "totals_of_state",
    "touched_sessions",
    "untouched_sessions",
    "views_of_events",
    "views_of_segments",
]
