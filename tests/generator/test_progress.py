import io
import random
from collections import Counter

import pytest

from generator.display import Display
from generator.latency import Latencies
from generator.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_quantiles_are_right_to_a_percent() -> None:
    rng, latencies = random.Random(1), Latencies()
    durations = sorted(rng.lognormvariate(-5, 1) for _ in range(10_000))
    for duration in durations:
        latencies.add(duration)
    assert latencies.quantile(0.5) == pytest.approx(durations[5000], rel=0.011)
    assert latencies.quantile(0.99) == pytest.approx(durations[9900], rel=0.011)


def test_the_status_tells_the_moment() -> None:
    now = [100.0]
    progress = Progress(lambda: now[0], total=1000)
    progress.begin()
    progress.accepted, progress.rejected, progress.in_flight = 200, 50, 3
    progress.drawn_to = 7.0
    progress.refused = Counter(missing=2)
    progress.answered(0.01)
    now[0] += 10
    assert progress.status() == (
        "[#####...............] 25% of 1,000 · sent 252 · 25.2/s · accepted 200"
        " · rejected as intended 50 · REFUSED missing 2 · p50 9.9 ms, p99 9.9 ms · in flight 3"
        " · 3 s behind"
    )
    now[0] += 1
    progress.drawn_to = None
    assert "0.0/s" in progress.status()
    assert "no answer" in progress.status()


def test_the_summary_tells_the_whole() -> None:
    progress = Progress(lambda: 0.0, drawn=110, accepted=100, duplicate=5, late=2)
    progress.retried = Counter({"429": 3})
    for _ in range(4):
        progress.answered(0.02)
    assert progress.summary(10.0).splitlines() == [
        "sent 105 events in 10.0 s, 10.5 a second",
        "accepted 100 (late 2) · duplicate 5",
        "4 requests, p50 19.8 ms, p99 19.8 ms",
        "tried again: 429 3",
        "not delivered: 5",
    ]
    assert not progress.flawless


def test_a_terminal_gets_one_line_that_rewrites_itself_and_others_plain_lines() -> None:
    terminal, plain = Terminal(), io.StringIO()
    for stream in (terminal, plain):
        display = Display(stream)
        display.show("first")
        display.show("x" * 500)
        display.say("the end")
    assert terminal.getvalue().startswith("\r\x1b[Kfirst\r\x1b[Kxxx")
    assert terminal.getvalue().endswith("\r\x1b[Kthe end\n")
    assert terminal.getvalue().count("x") < 500
    assert plain.getvalue() == "first\n" + "x" * 500 + "\nthe end\n"
