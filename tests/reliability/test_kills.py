"""The quick part of `make chaos`: three kills, two freezes of each process, and counting."""

import sys

import pytest

from tests.reliability.experiments import freezes, kills
from tests.reliability.table import line

SEED = 15


def test_no_acknowledged_event_is_lost_or_counted_twice_whatever_is_killed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = list(kills(3, SEED))
    with capsys.disabled():
        sys.stdout.writelines(f"\n{line(row)}" for row in rows)
    assert [(row.what, row.broken) for row in rows if row.broken] == []


def test_whatever_is_frozen_goes_on_and_counts_right() -> None:
    rows = list(freezes((1.0, 8.0)))
    assert [(row.what, row.broken) for row in rows if row.broken] == []
