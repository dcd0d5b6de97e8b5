"""What the command line can be asked to send."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from generator.checkpoint import Checkpoint
from generator.outgoing import Deliver, Source
from generator.plan import Plan
from generator.replay import Replay, survey
from generator.stream import shop_stream


def _as_it_is(deliver: Deliver) -> Deliver:
    return deliver


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Job:
    """Events to send, and what goes with them."""

    title: str
    begin: Callable[[datetime], Source]  # called once, with the instant at which sending begins
    lasts: float | None = None  # seconds until everything is due; None is until stopped
    total: int | None = None  # events left to send, where that is known
    through: Callable[[Deliver], Deliver] = _as_it_is
    end: Callable[[], None] = _nothing
    expect: Path | None = None  # where to record what is acknowledged


def shop_job(plan: Plan, expect: Path | None) -> Job:
    """Return the job of sending a made-up shop's events."""
    title = f"{plan.rate:g} events a second of {plan.users:,} people, seed {plan.seed}"
    return Job(title, lambda begins: shop_stream(plan, begins), lasts=plan.duration, expect=expect)


def replay_job(path: Path, rate: float | None, *, to_now: bool) -> Job:
    """Return the job of sending the events of a file, or those left of it.

    `to_now` moves them so that the latest happens when sending begins. Raises OSError and
    ValueError where the file, or the place kept beside it, will not do.
    """
    total, latest = survey(path)
    checkpoint = Checkpoint(path, time.monotonic)
    place = checkpoint.place

    def begin(now: datetime) -> Source:
        if not place.run:
            place.run = f"replay-{int(now.timestamp() * 1000):x}"
            place.shift = (now - latest).total_seconds() if to_now and latest else 0.0
            checkpoint.save()
        return Replay(path, rate, place.answered, timedelta(seconds=place.shift), place.run)

    went_on = f", after {place.answered:,} sent before" if place.answered else ""
    return Job(
        f"{total - place.answered:,} events of {path.name}{went_on}",
        begin,
        lasts=(total - place.answered) / rate if rate else 0.0,
        total=total - place.answered,
        through=checkpoint.noting,
        end=lambda: checkpoint.close(total),
    )
