"""The quick part of `make chaos`: a kill of the service, of mongod and of both, and counting."""

from tests.reliability.experiments import kills

SEED = 15


def test_no_acknowledged_event_is_lost_or_counted_twice() -> None:
    rows = list(kills(3, SEED, latest=1.5))
    assert [(row.what, row.broken, row.note) for row in rows if row.broken] == []
    assert all(row.acknowledged for row in rows)
