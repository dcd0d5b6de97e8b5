import asyncio
import io
import sys
from collections import Counter

import pytest

from generator import progress
from generator.progress import Progress, follow, say
from generator.schedule import Schedule

pytestmark = pytest.mark.anyio


class Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.isatty = lambda: terminal  # type: ignore[method-assign]


@pytest.mark.parametrize("terminal", [True, False])
async def test_a_terminal_gets_one_line_that_rewrites_itself_and_others_plain_lines(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream(terminal=terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "ON_TERMINAL" if terminal else "ELSEWHERE", 0.001)
    monkeypatch.setenv("COLUMNS", "60")
    counts = Progress(accepted=5000, late=12, wrong=Counter(missing=2))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await follow(counts, Schedule(20))
    say("the end")
    first, second, *_, last = stream.getvalue().split("\r\x1b[K" if terminal else "\n")[terminal:]
    assert first.startswith("sent 5,000 events in 0.0 s, ")
    assert second.startswith("sent 5,000 events in 0.0 s, ")
    if terminal:
        assert len(first) == 59
        assert last == "the end\n"
    else:
        assert "accepted 5,000 (late 12), duplicate 0, rejected 0 · WRONG: missing 2" in first
        assert stream.getvalue().endswith("\nthe end\n")
