"""What the dashboard shows of an answer."""

from datetime import timedelta

import pytest
from playwright.async_api import Page, expect

from shared.ingest.rejections import Rejections
from shared.schema import History
from tests.frontend.answers import EMPTY, NOON, history, metrics
from tests.frontend.conftest import OpenPage
from tests.frontend.service import FakeApi

pytestmark = pytest.mark.anyio


async def texts(page: Page, selector: str) -> list[str]:
    return [" ".join(text.split()) for text in await page.locator(selector).all_inner_texts()]


async def test_every_number_of_a_good_day(dashboard: OpenPage) -> None:
    page = await dashboard(FakeApi())
    await expect(page.locator("#users-figure")).to_have_text("342")
    await expect(page.locator("#views-figure")).to_have_text("1,234")
    await expect(page.locator("#sessions-figure")).to_have_text("390")
    assert await texts(page, "#pages .label") == [
        "/",
        "/products/electronics/headphones",
        "/products/garden",
        "/sale/winter?page=2",
        "/cart",
    ]
    assert await texts(page, "#pages .count > [aria-hidden]") == ["412", "268", "190", "121", "64"]
    assert await texts(page, "#spread .number") == ["301", "34", "7"]
    assert await texts(page, "#stages .number") == ["1,234", "142", "48", "31"]
    assert await texts(page, "#others li") == ["search 203", "login 88"]
    assert await texts(page, "#people .label") == [*metrics_users()]
    await expect(page.locator("#late")).to_have_text("12")
    await expect(page.locator("#rejected")).to_have_text("3")
    assert [text.split()[1] for text in await texts(page, "#refusals .what")] == [
        "missing",
        "in_the_future",
        "wrong_type",
    ]
    await expect(page.locator("#refusals .what").last).to_contain_text("× 240")


def metrics_users() -> list[str]:
    return [user.user_id for user in metrics().active_sessions.users]


async def test_every_number_names_its_definition_and_window(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.metrics.active_users.window_seconds = 90
    page = await dashboard(api)
    users = page.locator("#users-definition")
    await expect(users).to_have_text("Distinct users with any event in the last 90 seconds.")
    for panel in ("views", "pages", "pulse", "quality"):
        await expect(page.locator(f"#{panel}-definition")).to_contain_text("last 15 minutes")
    for panel in ("sessions", "people"):
        await expect(page.locator(f"#{panel}-definition")).to_contain_text("last 5 minutes")


async def test_the_last_hour_is_a_curve_with_a_table_behind_it(dashboard: OpenPage) -> None:
    api = FakeApi()
    past = history(api.metrics)
    page = await dashboard(api)
    drawing = page.locator("#users-chart svg")
    low = min(it.active_users.count for it in past.snapshots)
    await expect(drawing).to_have_attribute(
        "aria-label", f"Active users over the last hour: lowest {low}, highest 366, now 342"
    )
    line = await page.locator("#users-chart .line").get_attribute("d")
    assert line is not None
    # The snapshot exactly an hour old is outside the half-open window.
    assert line.count("L") == 359
    await page.locator("#users-chart summary").click()
    rows = await texts(page, "#users-chart tbody tr")
    assert rows[0] == "12:00 342"
    assert len(rows) in {60, 61}


async def test_a_gap_in_the_snapshots_breaks_the_curve(dashboard: OpenPage) -> None:
    api = FakeApi()
    past = history(api.metrics)
    api.history = History(
        as_of=NOON, minutes=60, snapshots=past.snapshots[:100] + past.snapshots[150:]
    )
    page = await dashboard(api)
    line = await page.locator("#users-chart .line").get_attribute("d")
    assert line is not None
    assert line.count("M") == 2


async def test_the_value_under_the_pointer_is_told(dashboard: OpenPage) -> None:
    page = await dashboard(FakeApi())
    box = await page.locator("#users-chart .plot").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] - 0.2, box["y"] + 20)
    await expect(page.locator("#users-chart .readout")).to_have_text("342 at 12:00:00")
    await page.mouse.move(5, 5)
    await expect(page.locator("#users-chart .readout")).to_be_hidden()


async def test_a_new_extreme_of_the_hour_is_named(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.history = history(api.metrics)
    api.metrics = metrics(users=3)
    page = await dashboard(api)
    await expect(page.locator("#users-context")).to_contain_text("lowest in the last 60 minutes")


async def test_no_data_is_said_in_words(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.metrics = metrics(**EMPTY)
    api.history = History(as_of=NOON, minutes=60, snapshots=[])
    api.rejections = Rejections(as_of=NOON, rejections=[])
    page = await dashboard(api)
    await expect(page.locator("#users-figure")).to_have_text("0")
    await expect(page.locator("#pages-empty")).to_have_text("No page views in the last 15 minutes.")
    await expect(page.locator("#people-empty")).to_have_text("No sessions in the last 5 minutes.")
    await expect(page.locator("#refusals-empty")).to_contain_text("None")
    await expect(page.locator("#users-chart .note")).to_contain_text("grows as snapshots")
    assert "NaN" not in await page.locator("main").inner_text()


async def test_one_of_everything(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.metrics = metrics(
        users=1, pages={"/": 1}, people={"u": 1}, types={"page_view": 1}, spread=(1, 0, 0)
    )
    page = await dashboard(api)
    await expect(page.locator("#views-definition")).to_contain_text("on 1 page in")
    await expect(page.locator("#pages-definition")).to_contain_text("The most viewed page in")
    assert await texts(page, "#spread .definition") == ["user, 100 %", "users, 0 %", "users, 0 %"]


async def test_history_and_refusals_may_fail_alone(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.broken = {"/v1/metrics/history", "/v1/rejections"}
    page = await dashboard(api)
    await expect(page.locator("#state")).to_have_text("Up to date")
    await expect(page.locator("#users-figure")).to_have_text("342")
    await expect(page.locator("#refusals-empty")).to_have_text("Cannot be read at the moment.")


async def test_numbers_and_times_follow_the_readers_locale(dashboard: OpenPage) -> None:
    page = await dashboard(FakeApi(), locale="de-DE", timezone_id="Asia/Tokyo")
    await expect(page.locator("#views-figure")).to_have_text("1.234")
    await expect(page.locator("#as-of")).to_have_text("As of 21:00:00")
    await expect(page.locator("#zone")).to_have_text(" (Asia/Tokyo)")


async def test_rows_keep_their_nodes_when_they_change_places(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    row = await page.locator("#pages li", has_text="/products/garden").element_handle()
    api.metrics = metrics(at=NOON + timedelta(seconds=30), pages={"/products/garden": 500, "/": 7})
    await page.locator("#refresh").click()
    await expect(page.locator("#pages li")).to_have_count(2)
    first = await page.locator("#pages li").first.element_handle()
    assert await page.evaluate("([a, b]) => a === b", [row, first])


async def test_types_that_javascript_knows_are_only_names(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.metrics = metrics(types={"__proto__": 5, "constructor": 4, "toString": 3, "page_view": 2})
    page = await dashboard(api)
    assert await texts(page, "#others li") == ["__proto__ 5", "constructor 4", "toString 3"]
    assert await texts(page, "#stages .number") == ["2", "0", "0", "0"]
