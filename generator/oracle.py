"""What every metric must be, counted from a ledger event by event.

Knows the definitions of the metrics and nothing of how the service computes them. Where the
ledger leaves something open (an answer was lost, or an event came too shortly before the instant
for the service to promise that it is counted) the oracle knows bounds instead of one number.
Instants are whole milliseconds since 1970, cut down as the service does.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from generator.ledger import Line, milliseconds

ACTIVE = 5 * 60_000  # ms, of active users and sessions
VIEWS = 15 * 60_000  # ms, of page views, events by type, and what is late or rejected
FRESH = 2_000  # ms after which an acknowledged event must be in an answer
FLOOD = 2_000  # ms by which the service may note a flood of refusals later than it refused


@dataclass(frozen=True, slots=True)
class Seen:
    """An event of the ledger with the earliest and latest time at which it can have occurred."""

    event: Mapping[str, str]
    earliest: int
    latest: int
    late: tuple[bool, bool]  # certainly, possibly


@dataclass(slots=True)
class Tally:
    """Counts at one instant."""

    sessions: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # by user
    pages: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    # By session of one user: its events, and the earliest and latest time of the last of them.
    activity: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def active(self, seen: Seen, watched: str | None) -> None:
        """Count an event for users and sessions; `watched` is the user whose events count."""
        event = seen.event
        sessions = self.sessions[event["user_id"]]
        session_id = event.get("session_id")
        if session_id is None:
            return
        sessions.add(session_id)
        if event["user_id"] == watched:
            events, earliest, latest = self.activity.get(session_id, (0, 0, 0))
            last = max(earliest, seen.earliest), max(latest, seen.latest)
            self.activity[session_id] = (events + 1, *last)

    def happened(self, event: Mapping[str, str]) -> None:
        """Count an event for pages and types."""
        self.types[event["event_type"]] += 1
        if event["event_type"] == "page_view":
            self.pages[event["page_url"]] += 1


class Expectation:
    """What must hold at the instant `at`; `watched` is a user whose sessions are asked for."""

    def __init__(self, at: int, watched: str | None = None) -> None:
        self.at = at
        self.watched = watched
        self.least = Tally()
        self.most = self.least  # a tally of its own as soon as something is open
        self.late = [0, 0]  # fewest, most
        self.rejected = [0, 0]
        self._open: list[tuple[Seen, bool, bool]] = []  # perhaps active, perhaps happened

    @property
    def exact(self) -> bool:
        """Whether the bounds meet in one number."""
        return not self._open

    def add(self, seen: Seen, line: Line) -> None:
        """Count one event of `line`."""
        settled = line.acknowledged_by is not None and line.acknowledged_by + FRESH <= self.at
        active = self._within(seen, ACTIVE, settled=settled)
        happened = self._within(seen, VIEWS, settled=settled)
        if active:
            self.least.active(seen, self.watched)
        if happened:
            self.least.happened(seen.event)
        if active is None or happened is None:
            self._open.append((seen, active is None, happened is None))
        if seen.late[1]:
            self._arrived(line, self.late, (int(seen.late[0] and settled), 1))

    def _within(self, seen: Seen, length: int, *, settled: bool) -> bool | None:
        """Tell whether the event is counted in the window; None is perhaps."""
        if not (self.at - length < seen.latest and seen.earliest <= self.at):
            return False
        certain = settled and self.at - length < seen.earliest and seen.latest <= self.at
        return True if certain else None

    def reject(self, line: Line) -> None:
        """Count the refusals of `line`."""
        late_note = Line(line.received_from, line.received_by + FLOOD, None, (0, 0), [])
        settled = line.acknowledged_by is not None and line.acknowledged_by + FLOOD <= self.at
        self._arrived(late_note, self.rejected, (line.rejected[0] * settled, line.rejected[1]))

    def _arrived(self, line: Line, bounds: list[int], numbers: tuple[int, int]) -> None:
        if self.at - VIEWS < line.received_from and line.received_by <= self.at:
            bounds[0] += numbers[0]
        if self.at - VIEWS < line.received_by and line.received_from <= self.at:
            bounds[1] += numbers[1]

    def close(self) -> None:
        """Work out the upper bounds, when everything is added."""
        if self.exact:
            return
        least = self.least
        self.most = Tally(
            defaultdict(set, {user: set(sessions) for user, sessions in least.sessions.items()}),
            Counter(least.pages),
            Counter(least.types),
            dict(least.activity),
        )
        for seen, active, happened in self._open:
            if active:
                self.most.active(seen, self.watched)
            if happened:
                self.most.happened(seen.event)


def expect(lines: Iterable[Line], expectations: Sequence[Expectation]) -> None:
    """Count `lines` into `expectations`, in one pass; memory grows with distinct names only."""
    ordered = sorted(expectations, key=lambda expectation: expectation.at)
    instants = [expectation.at for expectation in ordered]
    for line in lines:
        end = bisect_right(instants, line.received_by + VIEWS + FLOOD)
        for event in line.events:
            seen = _seen(event, line)
            for expectation in ordered[bisect_left(instants, seen.earliest) : end]:
                expectation.add(seen, line)
        if line.rejected[1]:
            for expectation in ordered[bisect_left(instants, line.received_from) : end]:
                expectation.reject(line)
    for expectation in ordered:
        expectation.close()


def _seen(event: Mapping[str, str], line: Line) -> Seen:
    timestamp = milliseconds(event["timestamp"])
    return Seen(
        event,
        earliest=min(timestamp, line.received_from),
        latest=min(timestamp, line.received_by),
        late=(timestamp <= line.received_from - VIEWS, timestamp <= line.received_by - VIEWS),
    )
