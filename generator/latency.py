"""Latencies, counted in buckets so that a run of any length takes the same memory."""

import math
from collections import Counter

STEP = math.log(1.02)  # buckets 2 % wide: a quantile is right to 1 %


class Latencies:
    """A histogram of durations with logarithmic buckets."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self._buckets[round(math.log(max(seconds, 1e-6)) / STEP)] += 1

    def quantile(self, share: float) -> float:
        """Return the duration in seconds that `share` of them do not exceed; NaN when empty."""
        left = share * self._buckets.total()
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return math.exp(bucket * STEP)
        return math.nan
