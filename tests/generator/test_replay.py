import json
import math
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from generator.event_file import read_events
from generator.jobs import replay_job
from generator.outgoing import Batch, Outgoing
from generator.replay import Replay
from tests.generator.command import generator
from tests.generator.stubborn import stubborn

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "timestamp": (datetime(2024, 3, 15, tzinfo=UTC) + timedelta(seconds=number)).isoformat(),
        "user_id": f"usr_{number}",
        "event_type": "page_view",
        "page_url": "/" + "ä" * (number % 300),
    } | fields


EVENTS = [event(number) for number in range(2000)]  # 700 kB: many pieces


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(EVENTS),
        json.dumps(EVENTS, indent=4, ensure_ascii=False),
        "\ufeff \n" + json.dumps(EVENTS),
        "".join(json.dumps(e) + "\n" for e in EVENTS),
        "\r\n\r\n".join(json.dumps(e, ensure_ascii=False) for e in EVENTS),
    ],
    ids=["array", "pretty array", "array after a byte order mark", "ndjson", "ndjson with gaps"],
)
def test_a_file_is_read_however_it_is_written(text: str, tmp_path: Path) -> None:
    (tmp_path / "events").write_text(text, encoding="utf-8")
    assert list(read_events(tmp_path / "events")) == EVENTS


@pytest.mark.parametrize(("text", "events"), [("[]", 0), ("", 0), ("[\n]\n", 0), ("{}", 1)])
def test_a_small_file_is_read(text: str, events: int, tmp_path: Path) -> None:
    (tmp_path / "events").write_text(text)
    assert len(list(read_events(tmp_path / "events"))) == events


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ('{"a": 1}\n{"a": \n', 2),
        ('{"a": 1}\n\n7\n', 2),
        ('[{"a": 1}, {"a": 2}', 3),
        ('[{"a": 1}, {"a"', 2),
        ('[{"a": 1}, 7]', 2),
        ("[" * 100_000, 1),
        ('{"a": "' + "x" * (1 << 20) + '"}', 1),
    ],
)
def test_what_is_no_event_is_told_by_its_number(text: str, number: int, tmp_path: Path) -> None:
    (tmp_path / "events").write_text(text)
    with pytest.raises(ValueError, match=rf"event {number} of .*events is no JSON object"):
        list(read_events(tmp_path / "events"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    given = [event(n, event_id=f"own-{n}") if n % 2 else event(n) for n in range(40)]
    path.write_text("".join(json.dumps(e) + "\n" for e in given))
    return path


def drawn(file: Path, start: int = 0, *, days: int = 0) -> list[Outgoing]:
    return list(Replay(file, None, start, timedelta(days=days), "run").due(math.inf))


def test_a_replay_sends_the_file_as_it_is_and_gives_ids_to_events_without(file: Path) -> None:
    got = [outgoing.event for outgoing in drawn(file)]
    assert [e["event_id"] for e in got[:4]] == ["run-0", "own-1", "run-2", "own-3"]
    assert [{**e, "event_id": ""} for e in got] == [event(n, event_id="") for n in range(40)]


def test_what_goes_on_is_what_would_have_gone_on(file: Path) -> None:
    assert drawn(file, 17, days=1) == drawn(file, days=1)[17:]


def test_times_move_and_what_is_no_time_stays(tmp_path: Path) -> None:
    times = ["2024-03-15T14:30:00Z", "2024-03-15t15:30:00,5+02:00", "yesterday", 5]
    path = tmp_path / "events"
    path.write_text(json.dumps([event(0, timestamp=time) for time in times]))
    assert [outgoing.event["timestamp"] for outgoing in drawn(path, days=1)] == [
        "2024-03-16T14:30:00.000Z",
        "2024-03-16T13:30:00.500Z",
        "yesterday",
        5,
    ]


def test_a_rate_paces_it(file: Path) -> None:
    replay = Replay(file, 10, 0, timedelta(), "run")
    assert len(list(replay.due(1.05))) == 11
    assert replay.next_due == pytest.approx(1.1)


def test_to_now_makes_the_latest_event_happen_now(file: Path) -> None:
    source = replay_job(file, None, to_now=True).begin(NOW)
    times = [str(outgoing.event["timestamp"]) for outgoing in source.due(math.inf)]
    assert times[-1] == "2026-11-22T14:30:00.000Z"
    assert times[0] == "2026-11-22T14:29:21.000Z"


@pytest.mark.anyio
async def test_the_place_is_the_end_of_what_is_answered_without_a_gap(file: Path) -> None:
    job = replay_job(file, None, to_now=False)
    batches = [list(job.begin(NOW).due(math.inf))[n : n + 10] for n in (0, 10, 20)]
    fails = iter([True, False, False])

    async def deliver(_: Batch) -> None:
        if next(fails):
            raise ConnectionError

    noting = job.through(deliver)
    with pytest.raises(ConnectionError):
        await noting(batches[0])
    await noting(batches[1])
    await noting(batches[2])
    job.end()
    assert replay_job(file, None, to_now=False).total == 40


@pytest.mark.anyio
async def test_a_replay_broken_off_goes_on_where_it_was(file: Path) -> None:
    resume = file.with_name("events.ndjson.resume")
    run = ("--replay", file, "--batch", 5, "--concurrency", 1)
    async with stubborn(["ok", "ok", "lose", "401"]) as server:
        got = await generator("--url", server.url, *run)
        assert got.status == 1
        assert json.loads(resume.read_text())["answered"] == 10
        got = await generator("--url", server.url, *run)
    assert got.status == 0, got.err
    assert "sent 30 events" in got.err
    assert server.sizes == [5, 5, 5, 5] + [5] * 6
    assert len(server.stored) == 40
    assert not resume.exists()


@pytest.mark.anyio
async def test_a_file_that_changed_since_is_not_gone_on_with(file: Path) -> None:
    run = ("--replay", file, "--batch", 5, "--concurrency", 1)
    async with stubborn(["ok", "401"]) as server:
        await generator("--url", server.url, *run)
        os.utime(file, (0, 0))
        got = await generator("--url", server.url, *run)
    assert got.status == 2
    assert "the file changed" in got.err


@pytest.mark.anyio
async def test_events_that_are_refused_are_told_and_spoil_no_others(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_text(json.dumps([event(0), event(1, user_id=5), event(2)]))
    async with stubborn() as server:
        got = await generator("--url", server.url, "--replay", path)
    assert got.status == 1
    assert "accepted 2 (late 2) · REFUSED wrong_type 1" in got.err
