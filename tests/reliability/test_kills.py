"""The quick part of `make chaos`: three kills, a freeze of each process, and counting."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.reliability.experiments import Rows, freezes, kills

SEED = 15


@pytest.mark.parametrize(
    "experiment",
    [
        pytest.param(partial(kills, 3, SEED, latest=1.5), id="kills"),
        pytest.param(partial(freezes, [("service", 1.0), ("mongod", 8.0)]), id="freezes"),
    ],
)
def test_no_acknowledged_event_is_lost_or_counted_twice(experiment: Callable[[], Rows]) -> None:
    rows = list(experiment())
    assert [(row.what, row.broken, row.note) for row in rows if row.broken] == []
    assert all(row.acknowledged for row in rows)
