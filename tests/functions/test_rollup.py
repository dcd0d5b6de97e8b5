"""The schedule of the rollup."""

from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from functions import rollup
from tests.conftest import Service

pytestmark = pytest.mark.anyio


class OverError(Exception):
    """The test has seen enough."""


@pytest.mark.parametrize(
    ("began", "took", "waited"),
    [
        (1.2, 0.5, 8.3),  # the next snapshot is due at 10
        (9.9, 0.1, 0.0),
        (0.0, 0.1, 9.9),
        (1.2, 12.0, 0.0),  # the next run is late, and is not left out
    ],
)
@pytest.mark.parametrize("failure", [None, AutoReconnect("gone"), ValueError("a defect")])
async def test_a_run_begins_when_the_next_snapshot_is_due_or_at_once(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    began: float,
    took: float,
    waited: float,
    failure: Exception | None,
) -> None:
    waits = []

    async def run(_service: Any) -> None:
        service.clock.advance(seconds=took)
        if failure:
            raise failure

    async def sleep(seconds: float) -> None:
        waits.append(timedelta(seconds=seconds))
        raise OverError

    monkeypatch.setattr(rollup, "run", run)
    service.clock.advance(seconds=began)
    with pytest.raises(OverError):
        await rollup.run_schedule(service.resources, sleep)
    assert waits == [timedelta(seconds=waited)]
