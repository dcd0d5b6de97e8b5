"""The options of the command line."""

import argparse
import math
import secrets
from collections.abc import Callable
from pathlib import Path

from generator.plan import Faults, Plan
from generator.service import KEY_VARIABLE
from shared.schema import MAX_BATCH

USERS_PER_RATE = 100  # people to come for each event a second, unless told otherwise
DEFAULT_RATE = 20.0
MAX_RATE = 100_000.0
FAULTS = {
    "duplicates": "sent again with the same event_id",
    "late": "long past, by 10 minutes in the mean",
    "ahead": "from a clock up to 4 minutes ahead",
    "malformed": "against the contract, to be refused",
    "out_of_order": "sent after later ones",
}
SHOP_OPTIONS = ("users", "seed", "duration", "curve", "interval", "expect", *FAULTS)
MAX_FAULTS = 1.0 + 1e-9  # three times 1/3 is not more than everything


def send_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m generator`."""
    parser = argparse.ArgumentParser(
        prog="python -m generator",
        description="Send the events of a made-up shop to Footfall. "
        "`python -m generator verify FILE` checks its metrics afterwards.",
        epilog="Exit status: 0 all delivered, 1 something lost or refused that should not be, "
        "2 usage, 3 the service does not answer.",
    )
    _add_service(parser)
    add = parser.add_argument
    add(
        "--rate",
        type=_number(0, MAX_RATE),
        help=f"events a second ({DEFAULT_RATE:g}; a replay: as fast as the service takes them)",
    )
    add("--users", type=_whole(1, 10**9), help="people who may come (100 for each event a second)")
    add("--seed", type=_whole(0, 2**63), help="the same seed, the same shop (random)")
    add("--duration", type=_number(0, 10**9), metavar="SECONDS", help="how long (until stopped)")
    add("--batch", type=_whole(1, MAX_BATCH), default=500, help="most events a request (500)")
    add("--concurrency", type=_whole(1, 256), default=8, help="most requests at once (8)")
    add("--curve", choices=["flat", "daily"], default="flat", help="rate over the day, UTC (flat)")
    add(
        "--interval",
        type=_number(0, 86_400),
        metavar="SECONDS",
        help="send in bursts, this far apart (each event at a random moment)",
    )
    add("--expect", type=Path, metavar="FILE", help="record what `verify` is to check")
    _add_faults(parser)
    replay = parser.add_argument_group("replay").add_argument
    replay("--replay", type=Path, metavar="FILE", help="send these events, JSON array or NDJSON")
    replay("--to-now", action="store_true", help="move their times so that the latest is now")
    return parser


def verify_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m generator verify`."""
    parser = argparse.ArgumentParser(
        prog="python -m generator verify",
        description="Compare the service's metrics with what was recorded by --expect. "
        "The service must have had no other clients for 15 minutes.",
        epilog="Exit status: 0 all agree, 1 something differs, 2 they cannot be compared.",
    )
    parser.add_argument("files", type=Path, metavar="FILE", nargs="+")
    _add_service(parser)
    return parser


def plan_of(options: argparse.Namespace) -> Plan:
    """Return what the options of `send_parser` ask for; raise ValueError if it is impossible."""
    faults = Faults(**{name: getattr(options, name) for name in FAULTS})
    if faults.exclusive > MAX_FAULTS:
        raise ValueError("duplicates, late, ahead and malformed together exceed 1")
    if options.to_now:
        raise ValueError("--to-now goes with --replay only")
    rate = options.rate or DEFAULT_RATE
    return Plan(
        seed=secrets.randbits(32) if options.seed is None else options.seed,
        rate=rate,
        users=options.users or math.ceil(rate * USERS_PER_RATE),
        duration=options.duration,
        curve=options.curve,
        interval=options.interval,
        faults=faults,
    )


def check_replay(options: argparse.Namespace) -> None:
    """Raise ValueError if an option of the shop is given with `--replay`."""
    plain = send_parser().parse_args([])
    for name in SHOP_OPTIONS:
        if getattr(options, name) != getattr(plain, name):
            option = name.replace("_", "-")
            raise ValueError(f"--{option} is of the made-up shop and does not go with --replay")


def _add_service(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the service (%(default)s)")
    parser.add_argument("--key", help=f"an API key; better in the environment as {KEY_VARIABLE}")


def _add_faults(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("faults", "the share of events, 0 to 1, that are …")
    for name, meaning in FAULTS.items():
        option = "--" + name.replace("_", "-")
        group.add_argument(option, type=_share, default=0.0, metavar="SHARE", help=meaning)


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError("must be from 0 to 1")
    return share


def _number(above: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not above < value <= most:
            raise argparse.ArgumentTypeError(f"must be above {above:g} and at most {most:g}")
        return value

    return number


def _whole(least: int, most: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be from {least} to {most}")
        return value

    return whole
