"""What the driver tells of its pool of connections, as telemetry."""

from typing import Final

from pymongo.monitoring import (
    ConnectionCheckedInEvent,
    ConnectionCheckedOutEvent,
    ConnectionCheckOutFailedEvent,
    ConnectionClosedEvent,
    ConnectionCreatedEvent,
    ConnectionPoolListener,
)

from shared.telemetry import POOL, POOL_FAILURES, POOL_WAITS

_OPEN: Final = POOL.labels("open")
_IN_USE: Final = POOL.labels("in use")


class PoolTelemetry(ConnectionPoolListener):
    """Counts connections as the driver opens, lends and closes them."""

    def connection_created(self, _: ConnectionCreatedEvent) -> None:
        """Count one more."""
        _OPEN.inc()

    def connection_closed(self, _: ConnectionClosedEvent) -> None:
        """Count one less."""
        _OPEN.dec()

    def connection_checked_out(self, event: ConnectionCheckedOutEvent) -> None:
        """Count one in use, and how long somebody waited for it."""
        _IN_USE.inc()
        POOL_WAITS.observe(event.duration or 0)

    def connection_checked_in(self, _: ConnectionCheckedInEvent) -> None:
        """Count one in use less."""
        _IN_USE.dec()

    def connection_check_out_failed(self, _: ConnectionCheckOutFailedEvent) -> None:
        """Count an operation that got none."""
        POOL_FAILURES.inc()

    def _ignore(self, event: object) -> None:
        """Count nothing: what matters of it is told by another event."""

    connection_check_out_started = connection_ready = _ignore
    pool_created = pool_ready = pool_cleared = pool_closed = _ignore
