"""Hold what the service says against what ledgers say it must.

The service must have had no other clients within the windows, and must keep its events.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from generator.claims import ask_about, wait_until
from generator.ledger import Line, read_ledger
from generator.oracle import FRESH, expect
from generator.service import Service
from shared.schema import format_instant


async def verify(service: Service, ledgers: Sequence[Path], say: Callable[[str], None]) -> bool:
    """Tell, line by line, where the service is wrong; return whether it is right.

    Raises ClaimError, httpx.RequestError, OSError or ValueError where the two cannot be compared.
    """
    begins, settled, events, users = _survey(_lines(ledgers))
    async with service.client(connections=4) as http:
        await wait_until(http, settled)
        claims = await ask_about(http, users, begins)
    expect(_lines(ledgers), [claim.must for claim in claims])
    right = True
    for claim in claims:
        for difference in claim.differences():
            right = False
            say(f"{claim.name} as of {_instant(claim.must.at)}: {difference}")
    exact = sum(claim.must.exact for claim in claims)
    verdict = "agree with" if right else "DO NOT AGREE with all of"
    say(f"{len(claims)} answers ({exact} to be exact) {verdict} {events:,} acknowledged events")
    return right


def _lines(ledgers: Sequence[Path]) -> Iterator[Line]:
    for path in ledgers:
        with path.open(encoding="utf-8") as file:
            yield from read_ledger(file)


def _survey(lines: Iterator[Line]) -> tuple[int, int, int, list[str]]:
    """Return when the ledger begins and is settled (ms), its events, and users of its end."""
    begins, settled, events, users = 0, 0, 0, list[str]()
    for line in lines:
        begins = min(begins or line.received_from, line.received_from)
        settled = max(settled, (line.acknowledged_by or line.received_by) + FRESH)
        events += len(line.events)
        users = sorted({event["user_id"] for event in line.events}) or users
    if not settled:
        raise ValueError("the ledger is empty: nothing was acknowledged")
    return begins, settled, events, users


def _instant(at: int) -> str:
    return format_instant(datetime.fromtimestamp(at / 1000, UTC))
