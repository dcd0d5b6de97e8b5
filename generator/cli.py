"""The command line."""

import argparse
import asyncio
import math
import secrets
from collections.abc import Callable, Sequence

from generator.plan import Plan
from generator.run import Sending
from generator.service import KEY_VARIABLE, service
from generator.session import Exit, session
from generator.stream import shop_stream
from shared.schema import MAX_BATCH

USERS_PER_RATE = 100  # people to come for each event a second, unless told otherwise
MAX_RATE = 100_000.0


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        target = service(options.url, options.key)
    except ValueError as error:
        parser.error(str(error))
    plan = Plan(
        seed=secrets.randbits(32) if options.seed is None else options.seed,
        rate=options.rate,
        users=options.users or math.ceil(options.rate * USERS_PER_RATE),
        duration=options.duration,
        curve=options.curve,
        interval=options.interval,
    )
    sending = Sending(options.batch, options.concurrency)
    try:
        return asyncio.run(session(target, sending, lambda begins: shop_stream(plan, begins)))
    except KeyboardInterrupt:  # before the first event
        return Exit.DELIVERED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m generator",
        description="Send the events of a made-up shop to Footfall.",
        epilog="Exit status: 0 all delivered, 1 something lost or refused that should not be, "
        "2 usage, 3 the service does not answer.",
    )
    add = parser.add_argument
    add("--url", default="http://127.0.0.1:8000", help="the service (%(default)s)")
    add("--key", help=f"an API key; better in the environment as {KEY_VARIABLE}")
    add("--rate", type=_number(0, MAX_RATE), default=20.0, help="events a second (%(default)s)")
    add("--users", type=_whole(1, 10**9), help="people who may come (100 for each event a second)")
    add("--seed", type=_whole(0, 2**63), help="the same seed, the same shop (random)")
    add("--duration", type=_number(0, 10**9), help="seconds (until stopped)")
    add("--batch", type=_whole(1, MAX_BATCH), default=500, help="most events in one request (500)")
    add("--concurrency", type=_whole(1, 256), default=8, help="most requests at once (8)")
    add("--curve", choices=["flat", "daily"], default="flat", help="the rate over the day (flat)")
    add("--interval", type=_number(0, 86_400), help="send in bursts, SECONDS apart (at random)")
    return parser


def _number(above: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        number = float(text)
        if not above < number <= most:
            raise argparse.ArgumentTypeError(f"must be above {above:g} and at most {most:g}")
        return number

    return parse


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"must be from {least} to {most}")
        return number

    return parse
