"""Deadlines and timeouts in seconds, and the relations between them."""

from typing import Final

from shared.clock import MAX_SKEW

WRITE: Final = 5.0  # a write times out, and is retried once
QUEUE: Final = 5.0  # events whose write has not begun by then are rejected
READ: Final = 15  # a read, or a request for metrics, times out
CLOSE: Final = 2.0  # a MongoDB client whose connections do not close is abandoned
SOCKET: Final = 20  # frees the thread of an operation that has timed out

# An event lands within this time of its arrival, or it was never acknowledged.
LANDED: Final = QUEUE + 2 * WRITE
# Each tick verifies the steps since this long before the last one, as events may land late.
VERIFIED: Final = 20
# How long a process that was killed in a tick keeps others from ticking; renewed each second.
LEASE: Final = 6
RENEWED: Final = 1
# How long the generator has to end when the service is stopped; it takes 5 s at most.
GENERATOR: Final = 8
# How long requests in flight then have, and those that only read, which can be retried.
GRACE: Final = 15
LAST_READ: Final = 5
# How long to wait before killing the service: after the grace period come the last writes.
STOP: Final = 30

assert LANDED + MAX_SKEW.total_seconds() < VERIFIED
assert LANDED <= GRACE
assert LAST_READ < GRACE
assert GENERATOR + GRACE + WRITE < STOP
assert READ < SOCKET
# A renewed lease is never taken over, whichever clock is ahead; a tick's writes have earlier times,
# by its clock, than those of the next tick once that lease or write has timed out.
assert MAX_SKEW.total_seconds() < LEASE - RENEWED
assert MAX_SKEW.total_seconds() < WRITE
assert LEASE + MAX_SKEW.total_seconds() < READ
