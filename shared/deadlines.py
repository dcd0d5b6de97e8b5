"""How long things may take, in seconds, and what follows for whoever waits for them."""

from typing import Final

from shared.clock import MAX_SKEW

WRITE: Final = 5.0  # a write that hangs is given up, and tried once more
QUEUE: Final = 5.0  # events wait so long for their write to begin, or are refused
READ: Final = 15  # a read, and a request for metrics, is given up
CLOSE: Final = 2.0  # a client whose connections do not close is left
SOCKET: Final = 20  # frees the thread of an operation that was given up

# An event lands so long after its arrival, or was never acknowledged.
LANDED: Final = QUEUE + 2 * WRITE
# So old may a step be that each tick verifies: within it an event may land after its step was made.
VERIFIED: Final = 20
# For so long nobody else ticks when a process was killed in a tick; it is renewed each second.
LEASE: Final = 6
RENEWED: Final = 1
# When the service is stopped its generator has so long to end, which takes it 5 s at most.
GENERATOR: Final = 8
# Then requests in flight have so long, and those that only read so long: they can be sent again.
GRACE: Final = 15
LAST_READ: Final = 5
# Whoever stops the service by force must wait so long: a last write of each part comes then.
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
