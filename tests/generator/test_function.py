import json
from dataclasses import dataclass
from datetime import datetime

import pytest

from generator.function import generate
from generator.sending import PermanentError
from tests.generator.stubborn import stubborn

pytestmark = pytest.mark.anyio

EVENT = {"time": "2026-11-22T14:25:00Z"}  # as EventBridge sends it


@dataclass
class Context:
    seconds: float = 30.0

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("FOOTFALL_GENERATOR_RATE", "5")
    monkeypatch.setenv("FOOTFALL_KEY", "the-key")
    return monkeypatch


async def test_an_invocation_sends_its_minute_once_however_often_it_is_repeated(
    settings: pytest.MonkeyPatch,
) -> None:
    async with stubborn(["lose"]) as server:
        settings.setenv("FOOTFALL_URL", server.url)
        first = await generate(EVENT, Context())
        again = await generate(EVENT, Context())
        following = await generate({"time": "2026-11-22T14:26:00Z"}, Context())
    json.dumps(first)  # what a function returns becomes JSON
    assert first["until"] == "2026-11-22T14:25:00.000Z"
    assert (first["accepted"], first["duplicate"], first["undelivered"]) == (300, 0, 0)
    assert (again["accepted"], again["duplicate"]) == (0, 300)
    assert following["accepted"] == 300
    times = [stored["timestamp"] for stored in server.stored.values()]
    assert all(
        datetime.fromisoformat("2026-11-22T14:24:00Z")
        <= time
        <= datetime.fromisoformat("2026-11-22T14:26:00Z")
        for time in times
    )
    sessions = [
        {e.get("session_id") for e in list(server.stored.values())[part]} - {None}
        for part in (slice(300), slice(300, 600))
    ]
    assert sessions[0] & sessions[1], "whoever is in the shop stays in it"
    assert sessions[1] - sessions[0]


async def test_it_keeps_to_its_time_budget_and_reports_what_is_missing(
    settings: pytest.MonkeyPatch,
) -> None:
    async with stubborn(["503"] * 100_000) as server:
        settings.setenv("FOOTFALL_URL", server.url)
        report = await generate(EVENT, Context(seconds=3))
    assert report["accepted"] == 0
    assert report["undelivered"] == 300
    assert report["sent_again"]


async def test_a_rate_of_nothing_sends_nothing(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("FOOTFALL_URL", "http://127.0.0.1:9")
    settings.setenv("FOOTFALL_GENERATOR_RATE", "0")
    report = await generate({}, Context())
    assert (report["accepted"], report["undelivered"]) == (0, 0)


@pytest.mark.parametrize(("name", "value"), [("URL", ""), ("GENERATOR_RATE", "-1")])
async def test_a_setting_that_will_not_do_is_told(
    name: str, value: str, settings: pytest.MonkeyPatch
) -> None:
    settings.setenv("FOOTFALL_URL", "http://127.0.0.1:9")
    settings.setenv(f"FOOTFALL_{name}", value)
    with pytest.raises(ValueError, match=r"URL|FOOTFALL_GENERATOR_RATE"):
        await generate(EVENT, Context())


async def test_a_wrong_key_fails_the_invocation(settings: pytest.MonkeyPatch) -> None:
    async with stubborn(["401"] * 10) as server:
        settings.setenv("FOOTFALL_URL", server.url)
        with pytest.raises(PermanentError, match="401"):
            await generate(EVENT, Context())
