"""Where the service's time comes from. Tests pass a clock of their own."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Tell the time now, UTC, to the millisecond."""
    return datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)
