"""The command line."""

import argparse
import asyncio
import contextlib
import math
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx

from generator.faults import FAULTS, Batch, outgoing
from generator.progress import Progress, follow, say
from generator.schedule import Schedule
from generator.sending import PermanentError, Sender, client
from generator.shop import Shop
from generator.verify.command import verify
from generator.verify.ledger import Ledger
from shared.schema import MAX_BATCH

USERS_PER_RATE = 300  # people to come for each event a second, unless told otherwise
MAX_CONCURRENCY = 8  # requests under way at most
START_PATIENCE = 60.0  # seconds in which the service must appear
END_PATIENCE = 90.0  # seconds after --duration: more than the longest Retry-After that is obeyed
STOP_PATIENCE = 5.0  # the same after a signal; `python -m functions` kills after 10
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
DELIVERED, LOST_OR_REFUSED, USAGE, UNREACHABLE = range(4)  # exit statuses


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "verify":
            right = asyncio.run(verify(client(options.url), options.files))
            return DELIVERED if right else LOST_OR_REFUSED
        return asyncio.run(generate(options))
    except KeyboardInterrupt:  # while waiting for the service
        return DELIVERED
    except (OSError, ValueError) as error:  # a file, an address or a key that will not do
        print(f"python -m generator: {error}", file=sys.stderr)
        return USAGE


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    service = argparse.ArgumentParser(add_help=False)
    service.add_argument("--url", default="http://127.0.0.1:8000", help="the service (%(default)s)")
    main_parser = argparse.ArgumentParser(
        prog="python -m generator",
        description="Send the events of a made-up shop to Footfall, until stopped.",
        epilog="An API key is read from FOOTFALL_KEY. Exit status: 0 all delivered, 1 something "
        "lost or refused that should not be, 2 usage, 3 the service does not answer.",
        parents=[service],
    )
    add = main_parser.add_argument
    add("--rate", type=_between(0.001, 100_000), default=20.0, help="events a second (20)")
    add("--users", type=_between(1, 10**9, int), help="people who may come (300 times the rate)")
    add("--seed", type=_between(0, 2**63, int), help="the same seed, the same shop (random)")
    add("--duration", type=_between(0.001, 10**9), default=math.inf, help="seconds (no end)")
    add("--batch", type=_between(1, MAX_BATCH, int), default=500, help="events a request (500)")
    add("--expect", type=Path, metavar="FILE", help="record what `verify` is to check")
    faults = main_parser.add_argument_group("faults", "the share of events, 0 to 1, that are …")
    for name, meaning in FAULTS.items():
        faults.add_argument(f"--{name}", type=_between(0, 1), default=0.0, help=meaning)
    check = main_parser.add_subparsers(dest="command", title="commands").add_parser(
        "verify",
        help="compare the service's metrics with what --expect recorded",
        description="Compare the service's metrics with what --expect recorded. The service must "
        "have had no other clients for 15 minutes.",
        epilog="Exit status: 0 all agree, 1 something differs, 2 they cannot be compared.",
        parents=[service],
    )
    check.add_argument("files", type=Path, metavar="FILE", nargs="+")
    return main_parser


def _between(
    low: float, high: float, kind: Callable[[str], float] = float
) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be from {low:g} to {high:g}")
        return value

    return number


async def generate(options: argparse.Namespace) -> int:
    """Send what the options ask for, from the instant at which the service is there."""
    shares = {name: getattr(options, name) for name in FAULTS}
    if sum(shares.values()) > 1 + 1e-9:  # three times 1/3 is not more than everything
        raise ValueError(f"{', '.join(FAULTS)} together exceed 1")
    seed = secrets.randbits(32) if options.seed is None else options.seed
    users = options.users or math.ceil(USERS_PER_RATE * options.rate)
    async with contextlib.AsyncExitStack() as resources:
        http = await resources.enter_async_context(client(options.url))
        ledger = options.expect and resources.enter_context(options.expect.open("w"))
        say(f"to {options.url}: {options.rate:g} events/s of {users:,} people, seed {seed}")
        if not await _answers(http):
            say(f"{options.url} does not answer")
            return UNREACHABLE
        progress, schedule = Progress(), Schedule(options.rate, options.duration)
        shop = Shop(seed, users, datetime.now(UTC))
        events = outgoing(shop, schedule.offsets(), shares, seed)
        sender = Sender(http, progress, ledger and Ledger(ledger).record)
        shows = asyncio.create_task(follow(progress, schedule))
        reason = await _deliver(sender, schedule, schedule.batches(events, options.batch))
        shows.cancel()
    say("\n".join([*progress.lines(schedule), *reason]))
    flawless = not (reason or progress.wrong or schedule.due() > progress.delivered)
    return DELIVERED if flawless else LOST_OR_REFUSED


async def _answers(http: httpx.AsyncClient) -> bool:
    """Return whether the service answers at all, now or soon."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_PATIENCE):
            while True:
                with contextlib.suppress(httpx.RequestError):
                    await http.get("/livez")
                    return True
                await asyncio.sleep(0.5)
    return False


async def _deliver(sender: Sender, schedule: Schedule, batches: AsyncIterator[Batch]) -> list[str]:
    """Deliver `batches` in bounded time; return why nothing can be delivered, if so.

    One request follows the other, so that events arrive in order; where the service is slower than
    the schedule, up to MAX_CONCURRENCY are under way. The first signal ends the schedule and leaves
    time to finish, the second leaves none.
    """
    loop, turn, reason = asyncio.get_running_loop(), asyncio.Lock(), list[str]()

    async def work() -> None:
        while True:
            async with turn:
                batch = await anext(batches, None)
            if batch is None:
                return
            await sender.deliver(batch)

    def stop() -> None:
        limit.reschedule(loop.time() + (0 if schedule.stopped else STOP_PATIENCE))
        schedule.stop()

    try:
        async with (
            asyncio.timeout(schedule.duration + END_PATIENCE) as limit,
            asyncio.TaskGroup() as group,
        ):
            for number in STOP_SIGNALS:
                loop.add_signal_handler(number, stop)
            for _ in range(MAX_CONCURRENCY):
                group.create_task(work())
    except* TimeoutError:
        pass  # the number of events not delivered says so
    except* PermanentError as errors:
        reason = [str(errors.exceptions[0])]  # all met the same
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
    return reason
