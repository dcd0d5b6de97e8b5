"""A run from the command line: wait for the service, send, show, sum up, tell how it went."""

import asyncio
import contextlib
import random
import signal
import sys
import time
from datetime import UTC, datetime
from enum import IntEnum

from generator.delivery import Delivery, HopelessError
from generator.display import Display
from generator.jobs import Job
from generator.ledger import Ledger
from generator.pause import Pause
from generator.progress import Progress
from generator.run import Sending, run
from generator.service import Service, appears

START_PATIENCE = 60.0  # seconds in which the service must appear
# Seconds without an answer after which events are given up when all are due: more than the
# longest Retry-After that is obeyed.
END_PATIENCE = 90.0
STOP_PATIENCE = 5.0  # the same after Ctrl-C or SIGTERM
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Exit(IntEnum):
    """The exit status of the command."""

    DELIVERED = 0
    LOST_OR_REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3


async def session(service: Service, sending: Sending, job: Job) -> Exit:
    """Do `job` from the instant at which the service is there; return how it went."""
    display = Display(sys.stderr)
    stop = asyncio.Event()
    progress = Progress(time.monotonic, total=job.total)
    async with service.client(sending.concurrency) as http:
        if not await appears(http, START_PATIENCE, display.say):
            display.say(f"{service.url} does not answer")
            return Exit.UNREACHABLE
        with contextlib.ExitStack() as stack:
            ledger = None
            if job.expect is not None:
                file = stack.enter_context(job.expect.open("w", encoding="utf-8"))
                ledger = Ledger(file, _now)
            pause = Pause(time.monotonic, asyncio.sleep, random.SystemRandom())
            delivery = Delivery(http, progress, ledger, monotonic=time.monotonic, pause=pause)
            display.say(f"to {service.url}: {job.title}")
            sends = asyncio.create_task(
                run(job.begin(_now()), job.through(delivery.deliver), progress, stop, sending)
            )
            gives_up = asyncio.create_task(_give_up(sends, progress, stop, job.lasts))
            hopeless = await _watch(sends, progress, stop, display)
            gives_up.cancel()
            elapsed = progress.elapsed()
    job.end()
    display.say(progress.summary(elapsed))
    if hopeless:
        display.say(hopeless)
    return Exit.DELIVERED if progress.flawless and not hopeless else Exit.LOST_OR_REFUSED


async def _watch(
    sends: asyncio.Task[None], progress: Progress, stop: asyncio.Event, display: Display
) -> str | None:
    """Wait for the end, or for the time to give up; return why nothing could pass, if so."""
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, lambda: sends.cancel() if stop.is_set() else stop.set())
    shows = asyncio.create_task(display.follow(progress))
    try:
        await sends
    except asyncio.CancelledError:
        pass  # given up: the summary tells what was not delivered
    except HopelessError as error:
        return str(error)
    finally:
        shows.cancel()
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
    return None


async def _give_up(
    sends: asyncio.Task[None], progress: Progress, stop: asyncio.Event, lasts: float | None
) -> None:
    """Cancel `sends` when it should be over and nothing has been answered for too long."""
    delivered, since = -1, 0.0
    while True:
        if progress.delivered != delivered:
            delivered, since = progress.delivered, time.monotonic()
        patience = STOP_PATIENCE if stop.is_set() else END_PATIENCE
        ending = stop.is_set() or (lasts is not None and progress.elapsed() > lasts)
        if ending and time.monotonic() - since > patience:
            sends.cancel()
            return
        await asyncio.sleep(0.1)


def _now() -> datetime:
    return datetime.now(UTC)
