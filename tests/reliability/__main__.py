"""`python -m tests.reliability`: break the service in every way, and print what became of it.

The exit status is 1 where a promise of docs/reliability.md is broken.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

from tests.reliability import experiments, replicas, restarts, soak
from tests.reliability.table import HEADER, footer, line
from tests.reliability.verdict import Row

EXPERIMENTS: Final[dict[str, Callable[[argparse.Namespace], Iterator[Row]]]] = {
    "kills": lambda options: experiments.kills(options.kills, options.seed),
    "freezes": lambda _: experiments.freezes(),
    "pair": lambda _: restarts.one_of_two_frozen(),
    "disk": lambda _: experiments.full_disk(),
    "replicas": lambda _: replicas.killed_primary(),
    "network": lambda _: replicas.cut_off_primary(),
    "clock": lambda _: restarts.clock_off(),
    "stop": lambda _: restarts.stopped_under_load(),
    "rolling": lambda _: restarts.rolling(),
    "workers": lambda _: restarts.workers(),
    "absent": lambda _: restarts.started_before_mongodb(),
}


def main() -> int:
    """Run what was asked for."""
    options = _parser().parse_args()
    if options.command == "soak":
        return soak.main(options.minutes, options.rate)
    print(f"seed {options.seed}\n\n{HEADER}", flush=True)
    rows = []
    for name in options.only or EXPERIMENTS:
        for row in _kept_going(name, EXPERIMENTS[name](options)):
            rows.append(row)
            print(line(row), flush=True)
    print(f"\n{footer(rows)}")
    return 1 if any(row.broken for row in rows) else 0


def _kept_going(name: str, rows: Iterator[Row]) -> Iterator[Row]:
    """Yield the rows; an experiment that fails is a row too, and the others go on."""
    try:
        yield from rows
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told in the table
        yield Row(name, broken=[f"the experiment failed: {type(error).__name__}: {error}"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, metavar="EXPERIMENT")
    commands = parser.add_subparsers(dest="command")
    command = commands.add_parser("soak", help="watch memory, files, threads and collections")
    command.add_argument("--minutes", type=float, default=60.0)
    command.add_argument("--rate", type=float, default=200.0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
