"""How long work shares the event loop: in slices, one in each pass of the loop."""

import asyncio
from typing import Final

SLICE: Final = 0.005  # seconds of work until the others have their turn


class Turns:
    """Lets long tasks continue one at a time, in the order they asked.

    However many large bodies there are, a small request waits for one slice per pass of the event
    loop, not for one slice per body.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def next(self) -> None:
        """Wait for a turn."""
        async with self._lock:
            await asyncio.sleep(0)
