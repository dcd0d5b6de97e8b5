"""The record of what the service acknowledged: NDJSON, one line for each answered request.

    {"received_from": "2026-11-22T14:30:00.120Z", "received_by": "2026-11-22T14:30:00.120Z",
     "acknowledged_by": "2026-11-22T14:30:00.127Z", "rejected": [1, 1], "events": [...]}

`events` are the new events of the request, as sent: no duplicates, nothing malformed. The service
received them between `received_from` and `received_by` and acknowledged them by `acknowledged_by`,
all on its own clock. The first two differ if an earlier try or a duplicate may have stored them.
`acknowledged_by` is null if the service never acknowledged the events but may have stored them.
`rejected` is the minimum and the maximum number of rejections that it may have counted.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TextIO

from generator.faults import Role
from generator.progress import Outcome
from shared.schema import format_instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """Writes the record to `file` as the run goes; keeps nothing in memory."""

    def __init__(self, file: TextIO, now: Callable[[], datetime] = _now) -> None:
        self._file = file
        self._now = now

    def record(self, outcome: Outcome) -> None:
        """Write the line of one request."""
        receipt, refused = outcome.receipt, outcome.refused
        since_first = timedelta(seconds=outcome.since_first)
        if receipt is None:  # by the generator's clock, for want of the server's
            earliest, latest = self._now() - since_first - _SECOND, self._now() + _SECOND
            acknowledged = None
            fewest, most = 0, sum(role is Role.MALFORMED for _, role in outcome.batch)
        else:
            earliest = latest = receipt.received_at
            if receipt.rejected == len(outcome.batch):  # by a Date header, which is a second wide
                earliest, latest = earliest - since_first - _SECOND, latest + _SECOND
            elif receipt.duplicate:  # a try before, or a copy that went past, may have stored it
                earliest -= since_first
            acknowledged = latest + timedelta(seconds=outcome.took)
            fewest, most = receipt.rejected, receipt.rejected * (1 + outcome.unclear)
        line = {
            "received_from": format_instant(earliest),
            "received_by": format_instant(latest),
            "acknowledged_by": acknowledged and format_instant(acknowledged),
            "rejected": (fewest, most),
            "events": [
                event
                for index, (event, role) in enumerate(outcome.batch)
                if role is Role.NEW and index not in refused
            ],
        }
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")


class Line(NamedTuple):
    """One line of a ledger; instants in whole milliseconds since 1970."""

    received_from: int
    received_by: int
    acknowledged_by: int | None
    rejected: tuple[int, int]
    events: list[dict[str, Any]]


def milliseconds(instant: str) -> int:
    """Return an RFC 3339 instant as whole milliseconds since 1970, cut down as the service does."""
    return (datetime.fromisoformat(instant) - _EPOCH) // timedelta(milliseconds=1)


def read_ledger(file: TextIO) -> Iterator[Line]:
    """Yield the lines of a ledger; raise ValueError with the number of one that is not."""
    for number, text in enumerate(file, 1):
        try:
            line = json.loads(text)
            fewest, most = line["rejected"]
            yield Line(
                milliseconds(line["received_from"]),
                milliseconds(line["received_by"]),
                line["acknowledged_by"] and milliseconds(line["acknowledged_by"]),
                (fewest, most),
                line["events"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"line {number} of {file.name} is not of a ledger") from error
