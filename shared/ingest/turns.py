"""How long work shares the event loop: in slices, one in each pass of the loop."""

import asyncio
from typing import Final

SLICE: Final = 0.005  # seconds of work until the others have their turn


class Turns:
    """Lets those who have long work go on one after another, in the order they asked.

    However many bodies are large, a small request waits for one slice in each pass of the event
    loop and not for one of each body.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def next(self) -> None:
        """Wait for a turn."""
        async with self._lock:
            await asyncio.sleep(0)
