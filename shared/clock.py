"""Where the service's time comes from. Tests pass a clock of their own."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

Clock = Callable[[], datetime]

# By how much the clocks of processes that share a database may differ: within it every answer is
# right. Each is at most half of it from MongoDB's clock: see `shared.storage.clock_skew`.
MAX_SKEW: Final = timedelta(seconds=4)


def system_clock() -> datetime:
    """Return the time now, UTC, to the millisecond."""
    return datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)


class ClockSkewError(Exception):
    """The clock of this process is too far from MongoDB's: it would store and count wrongly."""
