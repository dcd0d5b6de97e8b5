"""The command line, as its own process, against a server on real sockets."""

import json
import signal
from pathlib import Path

import pytest

from generator import session as session_module
from generator.jobs import shop_job
from generator.plan import Plan
from generator.run import Sending
from generator.service import service
from tests.generator.command import generator, outcome, started
from tests.generator.stubborn import stubborn

pytestmark = pytest.mark.anyio


async def test_a_run_sends_its_rate_for_its_duration_and_sums_up() -> None:
    run = ("--rate", 200, "--duration", 2, "--seed", 7)
    async with stubborn(["429", "503", "lose"]) as server:
        got = await generator("--url", server.url, *run)
    assert got.status == 0, got.err
    assert len(server.stored) == 400
    first, second, third, *_ = got.err.splitlines()
    assert first == f"to {server.url}: 200 events a second of 20,000 people, seed 7"
    assert second.startswith("sent 400 events in ")
    assert third.startswith("accepted 400 (late 0)")
    assert "not delivered: 0" in got.err


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


async def test_the_key_goes_to_the_service_and_nowhere_else() -> None:
    async with stubborn(["503", "401"]) as server:
        run = ("--url", server.url, "--rate", 100, "--duration", 1)
        got = await generator(*run, FOOTFALL_KEY="s3cret-key")
    assert got.status == 1
    assert "the service answers 401: 'unauthenticated'" in got.err
    assert b"Bearer s3cret-key" in server.headers[0]
    assert "s3cret" not in got.out + got.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--rate", "0"], "must be above 0"),
        (["--rate", "nan"], "must be above 0"),
        (["--batch", "1001"], "must be from 1 to 1000"),
        (["--late", "1.5"], "must be from 0 to 1"),
        (["--late", "0.6", "--ahead", "0.6"], "together exceed 1"),
        (["--url", "ftp://x"], "must start with http"),
        (["--url", "http://user:s3cret@host"], "must hold no password"),
        (["--key", "s3cret\n"], "printable ASCII"),
        (["--to-now"], "goes with --replay only"),
        (["--replay", "no-such-file"], "No such file"),
        (["--replay", "x", "--seed", "1"], "--seed is of the made-up shop"),
        (["--nonsense"], "unrecognized arguments"),
    ],
)
async def test_wrong_usage_is_told_in_a_line(arguments: list[str], complaint: str) -> None:
    got = await generator(*arguments)
    assert got.status == 2
    assert complaint in got.err.splitlines()[-1]
    assert "Traceback" not in got.err
    assert "s3cret" not in got.err


async def test_what_nobody_answers_for_is_given_up_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session_module, "END_PATIENCE", 0.3)
    job = shop_job(Plan(seed=1, rate=10, users=10, duration=2), None)
    async with stubborn(["503"] * 100_000) as server:
        got = await session_module.session(service(server.url, None), Sending(10, 1), job)
    assert got is session_module.Exit.LOST_OR_REFUSED
    summary = capsys.readouterr().err.splitlines()[-2:]
    assert summary[0] == "not delivered: 3"  # one in flight, two waiting: the bound
    assert summary[1].startswith("never sent: what happened in the last ")


async def test_a_service_that_never_appears_is_unreachable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session_module, "START_PATIENCE", 0.2)
    target = service("http://127.0.0.1:9", None)
    job = shop_job(Plan(seed=1, rate=10, users=10), None)
    got = await session_module.session(target, Sending(10, 1), job)
    assert got is session_module.Exit.UNREACHABLE
    assert capsys.readouterr().err.splitlines() == [
        "waiting for http://127.0.0.1:9 to answer",
        "http://127.0.0.1:9 does not answer",
    ]
