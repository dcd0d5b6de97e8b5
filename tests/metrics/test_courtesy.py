"""Heavy work gives way, but not for ever."""

import pytest

from shared.metrics.courtesy import patient

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("after", "gives_way"), [(0.0, True), (2.9, True), (3.0, False)])
async def test_patience_ends(after: float, *, gives_way: bool) -> None:
    now, waits = 100.0, []

    async def wait() -> None:
        waits.append(now)

    give_way = patient(wait, lambda: now)
    now += after
    await give_way()
    assert bool(waits) is gives_way
