"""What the dashboard shows of an answer."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.frontend.answers import NOON, USERS, Json, metrics, per_minute
from tests.frontend.conftest import OpenPage, texts
from tests.frontend.service import FakeApi
from tests.frontend.states import in_state

pytestmark = pytest.mark.anyio


async def answered(page: Page, api: FakeApi, answer: Json) -> None:
    """Have the page ask again and show what it was answered."""
    api.metrics = answer
    await page.locator("#refresh").click()
    moment = datetime.fromisoformat(answer["as_of"])
    await expect(page.locator("#as-of")).to_contain_text(f"{moment:%H:%M:%S}")


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
    assert await texts(page, "#pages .share > [aria-hidden]") == [
        "33.4 %",
        "21.7 %",
        "15.4 %",
        "9.8 %",
        "5.2 %",
    ]
    # The last page was not ranked 15 minutes before.
    assert await texts(page, "#pages .change > [aria-hidden]") == [*["▲ 11 %"] * 4, ""]
    assert await texts(page, "#spread li") == [
        "301 users with 1 session",
        "34 users with 2",
        "7 users with 3 or more",
    ]
    assert await texts(page, "#people .label") == [*USERS]
    assert await texts(page, "#stages .number") == ["1,234", "142", "48", "31"]
    assert await texts(page, "#stages .definition") == [
        "",
        "11.5 per 100 views",
        "3.9 per 100 views",
        "2.5 per 100 views",
    ]
    assert await texts(page, "#carts") == [
        "99 open carts: not bought yet, of 142 filled in the last 10 minutes."
    ]
    assert await texts(page, "#others li") == ["search 203", "login 88"]
    await expect(page.locator("#late")).to_have_text("12")
    await expect(page.locator("#rejected")).to_have_text("3")


async def test_every_number_names_its_definition_and_window(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.metrics["active_users"]["window_seconds"] = 90
    page = await dashboard(api)
    users = page.locator("#users-definition")
    await expect(users).to_have_text("Distinct users with any event in the last 90 seconds.")
    for text in ("#views-definition", "#pages-definition", "#funnel-definition", "#late-title"):
        await expect(page.locator(text)).to_contain_text("last 15 minutes")
    for text in ("#sessions-definition", "#people-definition"):
        await expect(page.locator(text)).to_contain_text("last 5 minutes")


@pytest.mark.parametrize("size", [(1440, 780), (1366, 768), (1280, 720)])
async def test_what_was_asked_for_is_seen_without_scrolling(
    dashboard: OpenPage, size: tuple[int, int]
) -> None:
    width, height = size
    page = await dashboard(in_state("much"), viewport={"width": width, "height": height})
    for wanted in ("#users-figure", "#views-chart", "#sessions-figure", "#pages", "#people"):
        box = await page.locator(wanted).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= height, wanted


HEADLINES = ("users", "views", "sessions")


COMPARISONS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["▲ up 11 % in 15 min", "▼ down 3.9 % from yesterday"]),
    ({"yesterday": None}, ["▲ up 11 % in 15 min"]),
    ({"previous": 1}, ["= unchanged in 15 min", "▼ down 3.9 % from yesterday"]),
    ({"previous": 0, "yesterday": None}, ["▲ up 342 in 15 min"]),
    ({"previous": 0.05, "yesterday": 30}, ["▲ up 325 in 15 min", "▼ down 97 % from yesterday"]),
    ({"previous": None, "yesterday": None}, []),
]


async def test_headlines_are_compared_in_words(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    for number, (answer, words) in enumerate(COMPARISONS):
        await answered(page, api, metrics(at=NOON + timedelta(seconds=number), **answer))
        assert await texts(page, "#users-changes li") == words


async def test_a_window_that_still_fills_says_so(dashboard: OpenPage) -> None:
    page = await dashboard(in_state("filling"))
    assert [await texts(page, f"#{it}-changes li") for it in HEADLINES] == [
        ["… filling: 4 of 5 min"],
        ["… filling: 4 of 15 min"],
        ["… filling: 4 of 5 min"],
    ]


async def test_no_data_is_said_in_words(dashboard: OpenPage) -> None:
    page = await dashboard(in_state("empty"))
    await expect(page.locator("#users-figure")).to_have_text("0")
    await expect(page.locator("#pages-empty")).to_have_text("No page views in the last 15 minutes.")
    await expect(page.locator("#people-empty")).to_have_text("No sessions in the last 5 minutes.")
    await expect(page.locator("#refusals-empty")).to_have_text("None. No event was sent yet.")
    await expect(page.locator("#users-chart .note")).to_contain_text("grows as snapshots")
    await expect(page.locator("#views-chart .note")).to_have_text(
        "No event in the last 30 minutes."
    )
    assert "NaN" not in await page.locator("main").inner_text()


async def test_one_of_everything(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.metrics = metrics(
        users=1, pages={"/": 1}, people={"u": 1}, types={"page_view": 1}, spread=(1, 0, 0)
    )
    page = await dashboard(api)
    await expect(page.locator("#views-definition")).to_contain_text("on 1 page in")
    await expect(page.locator("#pages-definition")).to_contain_text("The most viewed page in")
    assert (await texts(page, "#spread li"))[0] == "1 user with 1 session"


async def test_views_of_more_pages_than_can_be_told_apart_are_told(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.metrics = metrics()
    api.metrics["page_views"]["unranked"] = 1200
    page = await dashboard(api)
    await expect(page.locator("#pages-definition")).to_contain_text("1,200 views of more pages")


async def test_what_is_beside_the_numbers_may_fail_alone(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.broken = {"/v1/metrics/history", "/v1/metrics/per-minute", "/v1/rejections"}
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


async def test_names_without_a_shape_are_spelled_out_and_long_ones_are_whole(
    dashboard: OpenPage,
) -> None:
    shown = {
        "\u200b": r"\u{200b}",
        "\u2060\ufeff": r"\u{2060}\u{feff}",
        "usr\u200d1": r"usr\u{200d}1",
        "\u202eevil": r"\u{202e}evil",
        "\u3164": r"\u{3164}",
        "\u00a0": r"\u{a0}",
        " ": r"\u{20}",
        " a b  c": r"\u{20}a b\u{20}\u{20}c",
        "naïve 日本 🛒": "naïve 日本 🛒",
        "x" * 128: "x" * 128,
    }
    api = FakeApi()
    api.metrics = metrics(people={name: 9 - i for i, name in enumerate(shown)})
    page = await dashboard(api, viewport={"width": 360, "height": 800})
    assert await page.locator("#people .label").all_text_contents() == list(shown.values())


SILENCES = [
    (82, 0.4, "Up to date"),
    (82, 59, "Up to date"),
    (82, 61, "No events for 61 s"),
    (82, 250, "No events for 4 min"),
    # About one event in 33 seconds: ten times that is five and a half minutes.
    (1.3, 250, "Up to date"),
    (1.3, 400, "No events for 7 min"),
    (0, 7200, "No events for 2 hours"),
]


async def test_silence_is_what_the_usual_gap_does_not_explain(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    was_quiet = True
    for number, (usual, silent, words) in enumerate(SILENCES):
        await page.clock.run_for(10_000)  # or the minutes are not asked for again
        api.minutes = per_minute(until=silent // 60 + 1)
        for it in api.minutes["minutes"]:
            it["events"] = 0 if not it["events"] or not usual else max(1, round(usual * 1.4))
        await answered(page, api, metrics(at=NOON + timedelta(seconds=number), silent=silent))
        await expect(page.locator("#state")).to_have_text(words)
        quiet = words == "Up to date"
        await expect(page).to_have_title("Footfall" if quiet else f"{words} – Footfall")
        if not quiet and was_quiet:  # said once, not with each refresh
            await page.clock.run_for(100)
            await expect(page.locator("#announcements")).to_contain_text(f"{words}.")
        was_quiet = quiet


async def test_the_heartbeat_stands_beside_as_of_and_returns(dashboard: OpenPage) -> None:
    api = in_state("silent")
    page = await dashboard(api, "/#view=wall")
    beat = page.locator("#heartbeat")
    await expect(page.locator("#state")).to_be_visible()
    await expect(beat).to_have_text("the last came at 11:55:50")
    api.metrics = metrics(silent=3)
    await page.clock.run_for(30_000)
    await expect(beat).to_have_text("last event 3 s ago · 20 events/s")
    await page.clock.run_for(100)
    await expect(page.locator("#announcements")).to_have_text("Events arrive again.")


async def test_an_older_service_leaves_its_missing_parts_out(dashboard: OpenPage) -> None:
    api = FakeApi()
    for part in ("arrivals", "comparison", "carts"):
        del api.metrics[part]
    api.broken = {"/v1/metrics/per-minute"}
    page = await dashboard(api)
    await expect(page.locator("#users-figure")).to_have_text("342")
    await expect(page.locator("#carts")).to_be_hidden()
    await expect(page.locator("#start")).to_be_hidden()
