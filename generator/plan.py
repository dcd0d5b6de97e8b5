"""What a run is to be, as chosen on the command line."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """The events of a run. The same plan begun at the same instant gives the same events."""

    seed: int
    rate: float  # events a second
    users: int
    duration: float | None = None  # seconds; None is until stopped
    curve: str = "flat"  # or "daily"
    interval: float | None = None  # seconds between bursts; None is at random moments
