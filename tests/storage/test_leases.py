"""A lease, among processes whose clocks differ."""

from datetime import timedelta

import pytest

from shared import deadlines
from shared.clock import MAX_SKEW
from shared.storage.database import Database
from shared.storage.leases import Lease
from tests.conftest import FakeClock

pytestmark = pytest.mark.anyio

TERM = timedelta(seconds=deadlines.LEASE)


@pytest.mark.parametrize(
    ("ahead", "after", "is_free"),
    [
        (0, 0, False),
        (MAX_SKEW.total_seconds(), deadlines.RENEWED, False),
        (-MAX_SKEW.total_seconds(), 0, False),
        (0, deadlines.LEASE - 0.1, False),
        (0, deadlines.LEASE, True),
        (-MAX_SKEW.total_seconds(), deadlines.LEASE + MAX_SKEW.total_seconds(), True),
        (-3600, 0, True),  # an end so far away was written by a clock that nobody has any more
    ],
)
async def test_a_lease_is_free_when_its_holder_is_gone_whichever_clock_is_ahead(
    database: Database, ahead: float, after: float, is_free: bool
) -> None:
    theirs, ours = FakeClock(), FakeClock()
    ours.advance(seconds=ahead)
    assert await Lease(database.leases, "tick", TERM, theirs).take()
    ours.advance(seconds=after)
    assert await Lease(database.leases, "tick", TERM, ours).take() is is_free


@pytest.mark.parametrize("ahead", [0, 3, 10, 3600, -10])
async def test_a_released_lease_is_free_at_once_whatever_became_of_its_holder_s_clock(
    database: Database, ahead: float
) -> None:
    theirs, ours = FakeClock(), FakeClock()
    lease = Lease(database.leases, "tick", TERM, theirs)
    assert await lease.take()
    theirs.advance(seconds=ahead)
    await lease.release()
    assert await Lease(database.leases, "tick", TERM, ours).take()
