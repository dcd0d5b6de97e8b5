"""Limits on concurrent reads: writes come first, and no client can use up all the reads.

They apply to answers that are computed for each request. The metrics document needs no limit,
because one computation serves any number of viewers.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from shared.http.problems import TOO_MANY_READS, Problem

AT_ONCE: Final = 4  # of the driver's ten threads and twenty connections; writes need two to six
OF_ONE_CLIENT: Final = 16  # under way or waiting
IN_TOTAL: Final = 64


class Reads:
    """The reads of one process that are under way or wait for those that are."""

    def __init__(self) -> None:
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._of: Counter[str] = Counter()

    @asynccontextmanager
    async def of(self, client: str) -> AsyncIterator[None]:
        """Read for a client, or raise a 503 problem at once where too much is being read."""
        if self._of[client] >= OF_ONE_CLIENT:
            raise Problem(TOO_MANY_READS, f"{OF_ONE_CLIENT} reads of this client are under way")
        if self._of.total() >= IN_TOTAL:
            raise Problem(TOO_MANY_READS, f"{IN_TOTAL} reads are under way")
        self._of[client] += 1
        try:
            async with self._at_once:
                yield
        finally:
            self._of[client] -= 1
            if not self._of[client]:
                del self._of[client]
