"""The record of what the service acknowledged: NDJSON, one line for each answered request.

    {"received_from": "2026-11-22T14:30:00.120Z", "received_by": "2026-11-22T14:30:00.120Z",
     "acknowledged_by": "2026-11-22T14:30:00.127Z", "rejected": [1, 1], "events": [...]}

`events` are the new events of the request, as sent: no copies, nothing malformed. The service took
them between `received_from` and `received_by` and had promised them by `acknowledged_by`, all on
its own clock. The first two differ only where an answer was lost and a try before may have been
the one that stored them. `acknowledged_by` is null where the service never promised the events and
may yet have them. `rejected` is the fewest and the most refusals that it may have counted.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TextIO

from generator.attempts import Attempts
from generator.outgoing import Batch, Role
from generator.reckoning import Reckoning
from shared.schema import Receipt, format_instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HTTP_DATE = timedelta(seconds=1)  # what a Date header leaves open: servers keep it for a second


class Ledger:
    """Writes the record to `file` as the run goes; keeps nothing in memory."""

    def __init__(self, file: TextIO, now: Callable[[], datetime]) -> None:
        self._file = file
        self._now = now

    def take(self, reckoning: Reckoning, receipt: Receipt, attempts: Attempts) -> None:
        """Record a receipt."""
        received = receipt.received_at
        in_doubt = attempts.unanswered and receipt.duplicate
        earliest = received - timedelta(seconds=attempts.all_took if in_doubt else 0)
        acknowledged = received + timedelta(seconds=attempts.last_took)
        rejected = (receipt.rejected, receipt.rejected * (1 + attempts.unanswered))
        self._write(
            earliest,
            received,
            acknowledged if reckoning.certain else None,
            rejected,
            reckoning.stored,
        )

    def refuse(self, reckoning: Reckoning, on: datetime | None, attempts: Attempts) -> None:
        """Record a refusal of a whole request, answered `on` the server's clock if it told."""
        answered = self._now() if on is None else on
        earliest = answered - timedelta(seconds=attempts.all_took) - HTTP_DATE
        refused = reckoning.rejected + reckoning.refused.total()
        rejected = (refused, refused * (1 + attempts.unanswered))
        self._write(earliest, answered + HTTP_DATE, answered + HTTP_DATE, rejected, [])

    def doubt(self, batch: Batch, first_sent: timedelta) -> None:
        """Record a batch first sent `first_sent` ago and never answered for.

        The server never told its clock, so this line goes by the generator's.
        """
        events = [outgoing.event for outgoing in batch if outgoing.role is Role.NEW]
        malformed = sum(outgoing.role is Role.MALFORMED for outgoing in batch)
        now = self._now()
        self._write(now - first_sent - HTTP_DATE, now + HTTP_DATE, None, (0, malformed), events)

    def _write(
        self,
        received_from: datetime,
        received_by: datetime,
        acknowledged_by: datetime | None,
        rejected: tuple[int, int],
        events: Sequence[Mapping[str, object]],
    ) -> None:
        line = {
            "received_from": format_instant(received_from),
            "received_by": format_instant(received_by),
            "acknowledged_by": acknowledged_by and format_instant(acknowledged_by),
            "rejected": rejected,
            "events": events,
        }
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")


def milliseconds(instant: datetime | str) -> int:
    """Return `instant`, an RFC 3339 text perhaps, as whole milliseconds, cut down."""
    if isinstance(instant, str):
        instant = datetime.fromisoformat(instant.upper())
    return (instant - _EPOCH) // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a ledger; instants in whole milliseconds since 1970."""

    received_from: int
    received_by: int
    acknowledged_by: int | None
    rejected: tuple[int, int]
    events: Sequence[Mapping[str, str]]


def read_ledger(file: TextIO) -> Iterator[Line]:
    """Yield the lines of a ledger; raise ValueError with the number of one that is not."""
    for number, text in enumerate(file, 1):
        try:
            line = json.loads(text)
            fewest, most = line["rejected"]
            acknowledged = line["acknowledged_by"]
            yield Line(
                milliseconds(line["received_from"]),
                milliseconds(line["received_by"]),
                None if acknowledged is None else milliseconds(acknowledged),
                (fewest, most),
                line["events"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"line {number} of {file.name} is not of a ledger") from error
