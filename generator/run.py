"""One run: draw events when they are due and hand them to the senders."""

import asyncio
import contextlib
import math
from dataclasses import dataclass

from generator.delivery import HopelessError
from generator.outgoing import Batch, Deliver, Source, batches
from generator.progress import Progress

TICK = 0.05  # seconds between looks at what is due, so that a fast stream travels in batches


@dataclass(frozen=True, slots=True)
class Sending:
    """How a run sends."""

    batch: int  # most events in a request
    concurrency: int  # most requests at once
    paced: bool = True  # False: everything is due at once


async def run(
    source: Source,
    deliver: Deliver,
    progress: Progress,
    stop: asyncio.Event,
    sending: Sending,
) -> None:
    """Send `source` to its end or until `stop` is set; return when all that was drawn is delivered.

    The schedule is an open loop: what is due does not depend on how the service does. At most
    `concurrency` batches wait in memory beside those in flight; the rest wait undrawn in
    `source`, in order and with the time at which they happened, and are sent as fast as the
    service takes them. Raises HopelessError where no request can pass.
    """
    queue: asyncio.Queue[Batch] = asyncio.Queue(maxsize=sending.concurrency)
    progress.begin()

    async def draw() -> None:
        try:
            await _draw(source, queue, progress, stop, sending)
        finally:
            progress.abandoned, progress.drawn_to = progress.behind(), None
        await queue.join()
        for sender in senders:
            sender.cancel()

    async def send() -> None:
        while True:
            await deliver(await queue.get())
            queue.task_done()

    reason: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            senders = [group.create_task(send()) for _ in range(sending.concurrency)]
            group.create_task(draw())
    except* HopelessError as errors:
        reason = errors.exceptions[0]  # all senders met the same
    if reason:  # raised in the handler, it would come in a group with Python 3.11.2
        raise reason


async def _draw(
    source: Source,
    queue: asyncio.Queue[Batch],
    progress: Progress,
    stop: asyncio.Event,
    sending: Sending,
) -> None:
    """Put what is due into `queue` when it is due, until there is no more or `stop` is set."""
    while not stop.is_set() and (due := source.next_due) is not None:
        elapsed = progress.elapsed() if sending.paced else math.inf
        if due > elapsed:
            # Not wait_for: in Python 3.11 it can swallow a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(due - elapsed, TICK)):
                    await stop.wait()
            continue
        for drawn in batches(source.due(elapsed), sending.batch):
            progress.drawn += len(drawn)
            progress.drawn_to = source.next_due if sending.paced else None
            await queue.put(drawn)
            if stop.is_set():
                break
