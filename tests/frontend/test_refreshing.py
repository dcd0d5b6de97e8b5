"""When the dashboard asks, and what it says about how fresh its numbers are."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.frontend.answers import NOON, history, metrics
from tests.frontend.conftest import OpenPage
from tests.frontend.service import FakeApi

pytestmark = pytest.mark.anyio

METRICS = "/v1/metrics"


async def hide(page: Page, hidden: bool) -> None:
    """Do what a browser does when a tab goes to the back, or comes to the front."""
    await page.evaluate(
        """hidden => {
          Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


async def state(page: Page, words: str) -> None:
    await expect(page.locator("#state")).to_have_text(words)


async def coming(page: Page, words: str) -> None:
    await expect(page.locator("#next")).to_have_text(words)


async def test_asks_again_30_seconds_after_the_last_answer(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    await coming(page, "next in 30 s")
    await page.clock.run_for(29_000)
    await coming(page, "next in 1 s")
    assert api.asked[METRICS] == 1
    api.metrics = metrics(at=NOON + timedelta(seconds=30), users=360)
    await page.clock.run_for(1_000)
    await expect(page.locator("#users-figure")).to_have_text("360")
    await expect(page.locator("#as-of")).to_have_text("As of 12:00:30")
    await coming(page, "next in 30 s")
    assert api.asked[METRICS] == 2


async def test_refresh_now(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    await page.clock.run_for(10_000)
    api.metrics = metrics(at=NOON + timedelta(seconds=10), users=350)
    await page.locator("#refresh").click()
    await expect(page.locator("#users-figure")).to_have_text("350")
    await coming(page, "next in 30 s")
    await page.clock.run_for(100)
    announcements = page.locator("#announcements")
    await expect(announcements).to_have_text("Refreshed. Active users: 350.")


async def test_pause_and_resume(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    await page.locator("#pause").click()
    await state(page, "Paused")
    await page.clock.run_for(300_000)
    assert api.asked[METRICS] == 1
    await expect(page.locator("#as-of")).to_have_text("As of 12:00:00, 5 min old")
    await hide(page, True)
    await hide(page, False)
    assert api.asked[METRICS] == 1
    await page.get_by_role("button", name="Resume").click()
    await state(page, "Up to date")
    assert api.asked[METRICS] == 2


async def test_live_mode_asks_every_2_seconds_and_for_new_history_every_10(
    dashboard: OpenPage,
) -> None:
    api = FakeApi()
    page = await dashboard(api)
    await page.locator("#live").click()
    await state(page, "Live")
    await expect(page.locator("#live")).to_have_attribute("aria-pressed", "true")
    assert page.url.endswith("#live")
    for asked in range(3, 8):
        await coming(page, "next in 2 s")
        await page.clock.run_for(2_000)
        await coming(page, "next in 2 s")
        assert api.asked[METRICS] == asked
    histories = [it for it in api.addresses if "/history" in it]
    newest = history(api.metrics)["snapshots"][-1]["as_of"]
    assert [parse_qs(urlsplit(it).query) for it in histories] == [
        {"minutes": ["30"]},
        {"minutes": ["30"], "after": [newest]},
    ]
    await page.locator("#live").click()
    await coming(page, "next in 30 s")
    await expect(page).not_to_have_url("#live")


async def test_stops_while_hidden_and_asks_at_once_when_seen(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    await hide(page, True)
    await page.clock.run_for(600_000)
    assert api.asked[METRICS] == 1
    await hide(page, False)
    await coming(page, "next in 30 s")
    assert api.asked[METRICS] == 2


async def test_backs_off_while_the_server_is_gone_and_recovers(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    api.fail = "gone"
    await page.clock.run_for(30_000)
    await state(page, "Server unreachable")
    for seconds in (5, 10, 20, 40, 80, 120, 120):
        await coming(page, f"trying again in {seconds} s")
        await page.clock.run_for(seconds * 1000)
    await coming(page, "trying again in 120 s")
    await expect(page.locator("#as-of")).to_contain_text("As of 12:00:00, 7 min old")
    await expect(page).to_have_title("Server unreachable – Footfall")
    await expect(page.locator("#users-figure")).to_have_text("342")
    api.fail = None
    await page.clock.run_for(120_000)
    await state(page, "Up to date")
    await page.clock.run_for(100)
    await expect(page.locator("#announcements")).to_have_text("Up to date again.")


@pytest.mark.parametrize(
    ("fail", "words", "why"),
    [
        (500, "Server in trouble", "The server has a problem (500: answered 500)"),
        (503, "Server in trouble", "The server has a problem (503: answered 503)"),
        (429, "Slowed down", "The server asks for fewer requests"),
        ("gone", "Server unreachable", "The server cannot be reached"),
    ],
)
async def test_a_failure_at_the_start_is_told(
    dashboard: OpenPage, fail: int | str, words: str, why: str
) -> None:
    api = FakeApi()
    api.fail = fail
    page = await dashboard(api)
    await state(page, words)
    await expect(page.locator("#as-of")).to_have_text(why)
    await coming(page, "trying again in 5 s")


async def test_waits_as_long_as_the_server_asks(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.fail, api.retry_after = 503, "45"
    page = await dashboard(api)
    await coming(page, "trying again in 45 s")


async def test_a_server_that_never_answers_is_given_up_after_10_seconds(
    dashboard: OpenPage,
) -> None:
    api = FakeApi()
    page = await dashboard(api)
    api.fail = "silent"
    await page.clock.run_for(30_000)
    await coming(page, "asking now")
    await page.clock.run_for(10_000)
    await state(page, "Server unreachable")


async def test_offline_is_said_and_back_online_asks_at_once(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    await page.context.set_offline(True)
    await state(page, "Offline")
    await page.clock.run_for(100)
    await expect(page.locator("#announcements")).to_have_text("Offline.")
    async with page.expect_response(lambda response: response.url.endswith(METRICS)):
        await page.context.set_offline(False)
    await state(page, "Up to date")
    assert api.asked[METRICS] == 2


async def test_old_numbers_are_called_stale(dashboard: OpenPage) -> None:
    """As when a laptop wakes up and its timers have not run yet."""
    page = await dashboard(FakeApi())
    await page.clock.set_system_time(NOON + timedelta(minutes=5))
    await page.clock.run_for(1_000)
    await state(page, "Stale")
    await expect(page.locator("#as-of")).to_have_text("As of 12:00:00, 5 min old")


async def test_speaks_of_large_changes_only(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    spoken = page.locator("#announcements")
    moment = NOON
    rose = "Active users rose from 342 to 500."
    # The last fall comes within a minute of the remark before it: it has to wait.
    for users, words in ((350, ""), (500, rose), (100, rose)):
        moment += timedelta(seconds=30)
        api.metrics = metrics(at=moment, users=users)
        await page.clock.run_for(30_000)
        await expect(page.locator("#users-figure")).to_have_text(str(users))
        await page.clock.run_for(100)
        await expect(spoken).to_have_text(words)
    for _ in range(2):
        await page.clock.run_for(30_000)
        await coming(page, "next in 30 s")
    await page.clock.run_for(100)
    await expect(spoken).to_have_text("Active users fell from 500 to 100.")
