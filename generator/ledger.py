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
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TextIO

from generator.attempts import Attempts
from generator.outgoing import Batch, Role
from generator.reckoning import Reckoning
from shared.schema import Receipt, format_instant

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
