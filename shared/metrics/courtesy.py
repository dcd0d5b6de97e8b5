"""Heavy work in pieces, each of which lets go first those who wait for an answer."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

GiveWay = Callable[[], Awaitable[None]]  # returns when nobody waits for an answer, or soon after

_PATIENCE: Final = 3.0  # seconds that the work may take longer for it


async def at_once() -> None:
    """Give way to nobody."""


def patient(give_way: GiveWay, seconds: Callable[[], float] = time.monotonic) -> GiveWay:
    """Give way until 3 s from now and then no more, so that the work gets done at any load."""
    until = seconds() + _PATIENCE

    async def in_time() -> None:
        if seconds() < until:
            await give_way()

    return in_time
