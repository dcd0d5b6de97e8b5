import random
from dataclasses import dataclass

import pytest

from generator.pause import LONGEST, Pause


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.anyio
async def test_a_named_time_is_kept_to_the_second(clock: Clock) -> None:
    pause = Pause(clock, clock.sleep, random.Random(1))
    await pause.over()
    assert clock.now == 100
    pause.hold(7)
    pause.hold(3)  # another sender met the same: the longer one counts
    await pause.over()
    assert clock.now == 107


@pytest.mark.anyio
async def test_without_a_named_time_pauses_grow_up_to_a_bound(clock: Clock) -> None:
    pause = Pause(clock, clock.sleep, random.Random(1))
    lengths = []
    for _ in range(12):
        before = clock.now
        pause.hold(None)
        await pause.over()
        lengths.append(clock.now - before)
    assert lengths[0] <= 0.1
    assert all(length >= LONGEST / 2 for length in lengths[6:])
    assert max(lengths) <= LONGEST
    pause.all_is_well()
    before = clock.now
    pause.hold(None)
    await pause.over()
    assert clock.now - before <= 0.1
