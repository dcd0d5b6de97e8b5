"""Where the service's time comes from. Tests pass a clock of their own."""

from collections.abc import Callable
from datetime import UTC, datetime

from shared.schema import whole_milliseconds

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Tell the time now, UTC, to the millisecond."""
    return whole_milliseconds(datetime.now(UTC))
