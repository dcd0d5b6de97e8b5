"""How long things may take, in seconds, and what follows for whoever waits for them."""

from typing import Final

from shared.clock import MAX_SKEW

WRITE: Final = 5.0  # a write that hangs is given up, and tried once more
QUEUE: Final = 5.0  # events wait so long for their write to begin, or are refused
READ: Final = 15  # a read, and a request for metrics, is given up
CLOSE: Final = 2.0  # a client whose connections do not close is left
SOCKET: Final = 20  # frees the thread of an operation that was given up

# An event lands within this time of its arrival, or it was never acknowledged.
LANDED: Final = QUEUE + 2 * WRITE
# Each tick verifies steps up to this age, because events may land after their step was counted.
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
# No process takes the lease of one that renews it, whichever clock is ahead; what a tick writes is
# earlier, by its clock, than what the next one does after that lease or that write was given up.
assert MAX_SKEW.total_seconds() < LEASE - RENEWED
assert MAX_SKEW.total_seconds() < WRITE
assert LEASE + MAX_SKEW.total_seconds() < READ
