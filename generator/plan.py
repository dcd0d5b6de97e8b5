"""What a run is to be, as chosen on the command line."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Faults:
    """The share of events, 0 to 1, that have each fault."""

    duplicates: float = 0.0  # sent again under the same event_id
    late: float = 0.0  # that happened long ago
    ahead: float = 0.0  # by a clock that runs ahead, yet not so far that they are refused
    malformed: float = 0.0
    out_of_order: float = 0.0  # sent after events that happened later

    @property
    def exclusive(self) -> float:
        """The share of events that are anything but plain; at most 1."""
        return self.duplicates + self.late + self.ahead + self.malformed


@dataclass(frozen=True, slots=True)
class Plan:
    """The events of a run. The same plan begun at the same instant gives the same events."""

    seed: int
    rate: float  # events a second
    users: int
    duration: float | None = None  # seconds; None is until stopped
    curve: str = "flat"  # or "daily"
    interval: float | None = None  # seconds between bursts; None is at random moments
    faults: Faults = Faults()
