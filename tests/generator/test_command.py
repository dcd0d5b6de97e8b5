"""The command line, as its own process, against a server on real sockets."""

import json
import signal
from pathlib import Path

import pytest

from generator import cli
from tests.generator.command import generator, outcome, started
from tests.generator.stubborn import stubborn

pytestmark = pytest.mark.anyio


async def test_a_run_sends_its_rate_for_its_duration_and_sums_up() -> None:
    run = ("--rate", 200, "--duration", 1, "--seed", 7)
    async with stubborn(["429", "503", "lose"]) as server:
        got = await generator("--url", server.url, *run)
    assert got.status == 0, got.err
    assert len(server.stored) == 200
    first, second, third, *_, last = got.err.splitlines()
    assert first == f"to {server.url}: 200 events/s of 60,000 people, seed 7"
    assert second.startswith("sent 200 events in ")
    assert third == "accepted 200 (late 0), duplicate 0, rejected 0"
    assert last == "not delivered: 0"


async def test_events_arrive_in_order_where_the_service_keeps_up() -> None:
    async with stubborn() as server:
        got = await generator("--url", server.url, "--rate", 100, "--duration", 0.5)
    assert got.status == 0, got.err
    times = [stored["timestamp"] for stored in server.stored.values()]
    assert len(times) == 50
    assert times == sorted(times)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_cleanly_with_a_summary(number: signal.Signals) -> None:
    async with stubborn() as server, started("--url", server.url, "--rate", 100) as process:
        await server.asked.wait()
        process.send_signal(number)
        got = await outcome(process)
    assert got.status == 0, got.err
    assert f"accepted {len(server.stored):,} " in got.err
    assert "not delivered: 0" in got.err
    assert "Traceback" not in got.err


async def test_a_second_signal_ends_it_at_once_and_tells_what_was_lost(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.ndjson"
    run = ("--rate", 100, "--expect", ledger)
    async with (
        stubborn(["503"] * 10_000) as server,
        started("--url", server.url, *run) as process,
    ):
        await server.asked.wait()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        got = await outcome(process)
    assert got.status == 1
    assert "accepted 0 " in got.err
    assert "not delivered: 0" not in got.err
    doubtful = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert doubtful
    assert all(line["acknowledged_by"] is None and line["events"] for line in doubtful)


async def test_a_wrong_key_ends_it_and_the_key_goes_nowhere_else() -> None:
    async with stubborn(["503", "401"]) as server:
        run = ("--url", server.url, "--rate", 100, "--duration", 1)
        got = await generator(*run, FOOTFALL_KEY="s3cret-key")
    assert got.status == 1
    assert got.err.splitlines()[-1] == "the service answers 401: 'unauthenticated'"
    assert b"Bearer s3cret-key" in server.headers[0]
    assert "s3cret" not in got.out + got.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--rate 0", "must be from 0.001 to 100000"),
        ("--rate nan", "must be from 0.001 to 100000"),
        ("--batch 1001", "must be from 1 to 1000"),
        ("--users many", "invalid"),
        ("--late 1.5", "must be from 0 to 1"),
        ("--late 0.6 --ahead 0.6", "together exceed 1"),
        ("--url ftp://x", "must start with http"),
        ("--url http://user:s3cret", "cannot be read"),
        ("--url http://user:s3cret@host", "must hold no password"),
        ("--expect /no/such/folder/file", "No such file"),
        ("--nonsense", "unrecognized arguments"),
        ("verify", "required: FILE"),
    ],
)
def test_wrong_usage_is_told_in_a_line(
    arguments: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status: object = cli.main(arguments.split())
    except SystemExit as end:
        status = end.code
    assert status == 2
    told = capsys.readouterr().err
    assert complaint in told.splitlines()[-1]
    assert "s3cret" not in told


async def test_a_key_that_cannot_be_sent_is_not_shown() -> None:
    got = await generator(FOOTFALL_KEY="s3cret\n")
    assert (got.status, "s3cret" in got.err) == (2, False)
    assert "printable ASCII" in got.err


def test_a_service_that_never_appears_is_unreachable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "START_PATIENCE", 0.2)
    assert cli.main(["--url", "http://127.0.0.1:9"]) == 3
    assert capsys.readouterr().err.splitlines()[-1] == "http://127.0.0.1:9 does not answer"


async def test_what_nobody_answers_for_is_given_up_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "END_PATIENCE", 0.3)
    async with stubborn(["503"] * 100_000) as server:
        server.retry_after = "1"
        options = cli.parser().parse_args(["--url", server.url, "--rate", "10", "--duration", "1"])
        assert await cli.generate(options) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "not delivered: 10"
