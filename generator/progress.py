"""What became of the events of a run, and how it is printed."""

import asyncio
import shutil
import statistics
import sys
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from generator.faults import Batch, Role
from generator.schedule import Schedule
from shared.schema import Receipt

ON_TERMINAL, ELSEWHERE = 0.5, 10.0  # seconds between lines of progress
NEWEST = 1000  # requests whose latency is kept


@dataclass(slots=True)
class Outcome:
    """What became of the events of one request; times are in seconds."""

    batch: Batch
    receipt: Receipt | None = None  # None where the service has not answered for them
    took: float = 0.0  # from the last try to its answer
    since_first: float = 0.0  # from the first try to the same
    unclear: int = 0  # tries without an answer that may have stored the events all the same

    @property
    def refused(self) -> dict[int | None, str]:
        """The codes of the refused events by their index."""
        return {error.index: error.code for error in self.receipt.errors} if self.receipt else {}


@dataclass(slots=True)
class Progress:
    """Counts of events, and of requests sent again."""

    accepted: int = 0
    duplicate: int = 0
    late: int = 0
    rejected: int = 0
    wrong: Counter[str] = field(default_factory=Counter)  # judged other than they should be
    retried: Counter[str] = field(default_factory=Counter)  # by reason
    requests: int = 0
    took: deque[float] = field(default_factory=lambda: deque(maxlen=NEWEST))  # ms

    @property
    def delivered(self) -> int:
        """Events that the service answered for."""
        return self.accepted + self.duplicate + self.rejected

    def count(self, outcome: Outcome) -> None:
        """Count the events of a request."""
        if (receipt := outcome.receipt) is None:
            return
        # After a lost answer, duplicates beyond the copies are what it would have acknowledged. The
        # exception is an original overtaken by its copy: receipts name no events, so these few are
        # counted as accepted twice here. The ledger of `verify` has each once.
        copies = sum(role is Role.DUPLICATE for _, role in outcome.batch)
        lost = max(receipt.duplicate - copies, 0) if outcome.unclear else 0
        self.accepted += receipt.accepted + lost
        self.duplicate += receipt.duplicate - lost
        self.late += receipt.late
        self.rejected += receipt.rejected
        self.requests += 1
        self.took.append(outcome.took * 1000)
        for index, (_, role) in enumerate(outcome.batch):
            code = outcome.refused.get(index)
            if role is Role.MALFORMED and code is None:
                self.wrong["malformed but accepted"] += 1
            elif role is not Role.MALFORMED and code is not None:
                self.wrong[f"refused: {code}"] += 1

    def lines(self, schedule: Schedule) -> Iterator[str]:
        """Describe the run so far."""
        seconds = schedule.elapsed()
        rate = self.delivered / max(seconds, 0.001)
        yield f"sent {self.delivered:,} events in {seconds:,.1f} s, {rate:,.1f} a second"
        counts = f"accepted {self.accepted:,} (late {self.late:,})"
        yield f"{counts}, duplicate {self.duplicate:,}, rejected {self.rejected:,}"
        if self.wrong:
            yield f"WRONG: {_listed(self.wrong)}"
        if self.retried:
            yield f"sent again: {_listed(self.retried)}"
        if self.requests > 1:
            cuts = statistics.quantiles(self.took, n=100, method="inclusive")
            yield f"{self.requests:,} requests, p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms"
        yield f"not delivered: {schedule.due() - self.delivered:,}"


def say(text: str) -> None:
    """Print what stays; on a terminal, in the place of the line of progress."""
    print(f"\r\x1b[K{text}" if sys.stderr.isatty() else text, file=sys.stderr, flush=True)


async def follow(progress: Progress, schedule: Schedule) -> None:
    """Print the progress until cancelled; on a terminal it is one line that rewrites itself."""
    terminal = sys.stderr.isatty()
    while True:
        await asyncio.sleep(ON_TERMINAL if terminal else ELSEWHERE)
        line = " · ".join(progress.lines(schedule))
        if terminal:
            line = f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}"
        print(line, end="" if terminal else "\n", file=sys.stderr, flush=True)


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{reason} {number:,}" for reason, number in counter.most_common())
