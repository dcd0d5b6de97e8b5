import random
import statistics
from datetime import UTC, datetime
from itertools import pairwise, takewhile

import pytest

from generator.arrivals import at_intervals, at_random, daily, flat

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = 3600.0


@pytest.mark.parametrize(("rate", "seconds"), [(0.3, 100), (1, 60), (20, 60), (333.3, 10)])
def test_the_count_of_every_second_is_that_of_the_rate(rate: float, seconds: int) -> None:
    offsets = list(takewhile(lambda o: o < seconds, at_random(flat(rate), random.Random(1))))
    assert offsets == sorted(offsets)
    for second in range(1, seconds + 1):
        assert abs(sum(offset < second for offset in offsets) - rate * second) < 1


def test_gaps_are_those_of_a_poisson_process() -> None:
    offsets = list(takewhile(lambda o: o < 100, at_random(flat(100), random.Random(1))))
    gaps = [after - before for before, after in pairwise(offsets)]
    mean, deviation = statistics.mean(gaps), statistics.stdev(gaps)
    assert mean == pytest.approx(0.01, rel=0.01)
    assert deviation == pytest.approx(mean, rel=0.05)  # regular gaps have 0
    assert sum(gap > 3 * mean for gap in gaps) / len(gaps) == pytest.approx(0.0498, abs=0.01)


def test_arrivals_are_decided_by_the_seed() -> None:
    first, second, other = (
        list(takewhile(lambda o: o < 5, at_random(flat(50), random.Random(seed))))
        for seed in (1, 1, 2)
    )
    assert first == second != other


def test_a_day_has_its_ebb_and_flow_and_the_chosen_mean() -> None:
    expected = daily(10, MIDNIGHT)
    hours = [expected((hour + 1) * HOUR) - expected(hour * HOUR) for hour in range(24)]
    assert sum(hours) == pytest.approx(10 * 24 * HOUR)
    assert min(hours) == pytest.approx(0.2 * 10 * HOUR, rel=0.06)
    assert max(hours) == pytest.approx(1.8 * 10 * HOUR, rel=0.02)
    assert hours.index(min(hours)) in {3, 4}
    assert hours.index(max(hours)) in {15, 16}


def test_the_daily_curve_goes_by_the_time_of_day_at_the_start() -> None:
    noon = daily(10, MIDNIGHT.replace(hour=12))
    assert noon(HOUR) == pytest.approx(
        daily(10, MIDNIGHT)(13 * HOUR) - daily(10, MIDNIGHT)(12 * HOUR)
    )


@pytest.mark.parametrize(
    ("rate", "interval", "bursts"),
    [(4, 0.5, [2, 2, 2, 2]), (1, 2.5, [2, 3, 2, 3]), (0.5, 1, [0, 1, 0, 1])],
)
def test_intervals_are_regular_and_keep_the_rate(
    rate: float, interval: float, bursts: list[int]
) -> None:
    end = interval * len(bursts)
    offsets = list(takewhile(lambda o: o <= end, at_intervals(flat(rate), interval)))
    assert [offsets.count(interval * (i + 1)) for i in range(len(bursts))] == bursts
