"""The count of a run, and how it reads."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from generator.latency import Latencies

BEHIND = 0.5  # seconds; a wait that is told. Less is a tick, and a busy machine


@dataclass(slots=True)
class Progress:
    """What became of the events of a run so far."""

    monotonic: Callable[[], float]
    started: float = 0.0  # monotonic seconds
    total: int | None = None  # events there are, where that is known
    drawn: int = 0  # events taken from the source
    drawn_to: float | None = None  # when the next event is due, in seconds from the start
    abandoned: float = 0.0  # seconds of events that were due and not even drawn at the end
    accepted: int = 0
    duplicate: int = 0
    late: int = 0
    rejected: int = 0  # malformed on purpose and refused
    leaked: int = 0  # malformed on purpose and taken
    refused: Counter[str] = field(default_factory=Counter)  # valid and yet refused
    retried: Counter[str] = field(default_factory=Counter)  # requests sent again, by reason
    requests: int = 0
    in_flight: int = 0
    latencies: Latencies = field(default_factory=Latencies)
    recent: Latencies = field(default_factory=Latencies)  # since the last status
    _last: tuple[float, int] = (0.0, 0)

    @property
    def delivered(self) -> int:
        """Events whose fate is known."""
        return self.accepted + self.duplicate + self.rejected + self.leaked + self.refused.total()

    @property
    def undelivered(self) -> int:
        """Events that are known of and not answered for."""
        return (self.drawn if self.total is None else self.total) - self.delivered

    @property
    def flawless(self) -> bool:
        """Whether everything was delivered and judged as it should be."""
        return not (self.undelivered or self.refused or self.leaked or self.abandoned >= BEHIND)

    def begin(self) -> None:
        """Start the clock of the rates."""
        self.started = self.monotonic()
        self._last = (self.started, 0)

    def answered(self, seconds: float) -> None:
        """Count a request that was answered after `seconds`."""
        self.requests += 1
        self.latencies.add(seconds)
        self.recent.add(seconds)

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return self.monotonic() - self.started

    def behind(self) -> float:
        """Return how long the next event has been waiting to be drawn, in seconds."""
        return 0.0 if self.drawn_to is None else max(self.elapsed() - self.drawn_to, 0.0)

    def status(self) -> str:
        """Describe the moment in one line, and begin the next stretch of the rate."""
        now = self.monotonic()
        since, before = self._last
        rate = (self.delivered - before) / (now - since) if now > since else 0.0
        self._last = (now, self.delivered)
        recent, self.recent = self.recent, Latencies()
        parts = [
            *([self._bar()] if self.total else []),
            f"sent {self.delivered:,}",
            f"{rate:,.1f}/s",
            f"accepted {self.accepted:,}",
            *self._faults(),
            _quantiles(recent),
            f"in flight {self.in_flight}",
            *([f"{behind:,.0f} s behind"] if (behind := self.behind()) >= BEHIND else []),
        ]
        return " · ".join(parts)

    def summary(self, elapsed: float) -> str:
        """Describe a run that took `elapsed` seconds, in a few lines."""
        rate = self.delivered / elapsed if elapsed > 0 else 0.0
        lines = [
            f"sent {self.delivered:,} events in {elapsed:,.1f} s, {rate:,.1f} a second",
            " · ".join([f"accepted {self.accepted:,} (late {self.late:,})", *self._faults()]),
            f"{self.requests:,} requests, {_quantiles(self.latencies)}",
        ]
        if self.retried:
            lines.append(f"tried again: {_listed(self.retried)}")
        lines.append(f"not delivered: {self.undelivered:,}")
        if self.abandoned >= BEHIND:
            lines.append(f"never sent: what happened in the last {self.abandoned:,.1f} s")
        return "\n".join(lines)

    def _faults(self) -> list[str]:
        counts = {
            "duplicate": self.duplicate,
            "rejected as intended": self.rejected,
            "MALFORMED BUT ACCEPTED": self.leaked,
        }
        parts = [f"{name} {number:,}" for name, number in counts.items() if number]
        return [*parts, f"REFUSED {_listed(self.refused)}"] if self.refused else parts

    def _bar(self) -> str:
        share = self.delivered / self.total if self.total else 0.0
        done = int(20 * share)
        return f"[{'#' * done}{'.' * (20 - done)}] {share:.0%} of {self.total:,}"


def _quantiles(latencies: Latencies) -> str:
    p50, p99 = latencies.quantile(0.5), latencies.quantile(0.99)
    if math.isnan(p50):
        return "no answer"
    return f"p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms"


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{reason} {number:,}" for reason, number in counter.most_common())
