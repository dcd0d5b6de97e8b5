"""What a reader works with: the list of pages, events as they arrive, refusals, the first event."""

import json
import subprocess
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.frontend.answers import (
    NOON,
    PAGES,
    metrics,
    rejection,
    rejections,
    stored_event,
    stored_events,
)
from tests.frontend.conftest import OpenPage, texts
from tests.frontend.payloads import HOSTILE_IDS
from tests.frontend.service import FakeApi
from tests.frontend.states import in_state

pytestmark = pytest.mark.anyio


async def test_fifty_pages_are_shown_on_demand_and_kept_up_to_date(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.more_pages = {f"/page/{i}": 500 - i for i in range(50)}
    page = await dashboard(api)
    await page.get_by_role("button", name="Show 50").click()
    await expect(page.locator("#pages li")).to_have_count(50)
    await expect(page.locator("#pages-definition")).to_contain_text("The 50 most viewed pages")
    await page.clock.run_for(30_000)
    await expect(page.locator("#next")).to_have_text("next in 30 s")
    assert api.asked["/v1/metrics/page-views"] == 2
    await page.get_by_role("button", name="Show 5").click()
    await expect(page.locator("#pages li")).to_have_count(5)


async def test_pages_are_copied_and_saved_as_csv(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.metrics = metrics(pages={**PAGES, '/a"b,c': 3})
    page = await dashboard(api)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name="Copy").click()
    await page.clock.run_for(100)
    await expect(page.locator("#announcements")).to_have_text("6 pages copied.")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied.splitlines()[0] == "/\t412\t33.4 %"
    async with page.expect_download() as waiting:
        await page.get_by_role("button", name="Save as CSV").click()
    saved = await waiting.value
    assert saved.suggested_filename == "top-pages.csv"
    lines = (await saved.path()).read_text("utf-8").splitlines()
    assert lines[0] == "page_url,views,share"
    assert lines[1].startswith('"/",412,0.33')
    assert lines[-1].startswith('"/a""b,c",3,')


async def open_events(page: Page) -> None:
    await page.locator("#events-title").click()
    await expect(page.locator("#events-list li").first).to_be_visible()


async def test_events_are_asked_for_only_while_they_are_looked_at(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    await page.clock.run_for(10_000)
    assert api.asked["/v1/events"] == 0
    await open_events(page)
    rows = page.locator("#events-list li")
    await expect(rows).to_have_count(50)
    await expect(rows.first).to_contain_text("11:59:59")
    api.events = stored_events(stored_event(0, event_id="new", user_id="new_user"), stored_event(1))
    await page.clock.run_for(2_000)
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("new_user")
    await rows.first.locator("summary").click()
    assert '"event_id": "new"' in await rows.first.locator("pre").inner_text()
    await page.locator("#events-pause").click()
    await expect(page.locator("#events-state")).to_have_text("Paused: nothing moves.")
    asked = api.asked["/v1/events"]
    await page.clock.run_for(20_000)
    assert api.asked["/v1/events"] == asked
    await page.locator("#events-pause").click()
    await page.locator("#events-title").click()
    await page.clock.run_for(20_000)
    assert api.asked["/v1/events"] == asked + 1


async def test_events_are_filtered_by_user_and_type(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    await open_events(page)
    await page.locator("#events-user").fill("usr_31")
    await page.keyboard.press("Enter")
    rows = page.locator("#events-list li")
    await expect(rows).to_have_count(6)
    assert set(await rows.locator("summary bdi:nth-of-type(2)").all_inner_texts()) == {"usr_31"}
    await page.locator("#events-user").fill("")
    await page.locator("#events-type").fill("search")
    await page.keyboard.press("Enter")
    await expect(rows).to_have_count(12)
    queries = [parse_qs(urlsplit(it).query) for it in api.addresses if "/v1/events" in it]
    assert queries[1] == {"limit": ["50"], "user_id": ["usr_31"]}
    assert queries[-1] == {"limit": ["200"]}
    await page.locator("#events-type").fill("unheard_of")
    await page.keyboard.press("Enter")
    await expect(page.locator("#events-empty")).to_have_text(
        "None of that type among the newest 200."
    )


async def test_events_that_cannot_be_read_are_said_to_be(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.broken = {"/v1/events"}
    page = await dashboard(api)
    await page.locator("#events-title").click()
    await expect(page.locator("#events-state")).to_contain_text("answered 500")


async def test_refusals_are_grouped_by_reason_and_told_in_full(dashboard: OpenPage) -> None:
    page = await dashboard(FakeApi())
    groups = page.locator("#refusals > li")
    assert await texts(page, "#refusals > li summary") == [
        "missing /user_id × 3 11:56:29 to 11:59:40",
        "in_future /timestamp × 1 11:58:05",
        "wrong_type /user_id × 240 11:52:50 to 11:54:50",
    ]
    await groups.first.locator("summary").click()
    await expect(groups.first.locator("pre")).to_have_count(2)
    await expect(groups.first).to_contain_text("Field required")
    await groups.last.locator("summary").click()
    await expect(groups.last).to_contain_text("what was sent was not kept")


async def test_refusals_of_a_day_do_not_stand_under_a_zero(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.metrics = metrics(rejected=0)
    api.rejections = rejections(rejection(7200, "missing", "/user_id", "Field required", "{}"))
    page = await dashboard(api)
    await expect(page.locator("#rejected-title")).to_have_text("Refused, last 15 minutes")
    await expect(page.locator("#refusals-title")).to_contain_text("last 24 hours")
    api.rejections["rejections"] = []
    await page.clock.run_for(30_000)
    await expect(page.locator("#refusals-empty")).to_have_text(
        "None. Every event kept the contract."
    )


def after_the_shell(command: str) -> list[str]:
    """Return what `curl` would be called with."""
    spell = "curl() { printf '%s\\0' \"$@\"; }; "
    return subprocess.check_output(["sh", "-c", spell + command], text=True).split("\0")


async def test_without_an_event_the_page_says_how_to_send_one(dashboard: OpenPage) -> None:
    api = in_state("empty")
    page = await dashboard(api)
    start = page.locator("#start")
    await expect(start).to_be_visible()
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name="Copy the command").click()
    command = await page.evaluate("navigator.clipboard.readText()")
    arguments = after_the_shell(command)
    assert arguments[:2] == ["-i", page.url.removesuffix("/") + "/v1/events"]
    sent = json.loads(arguments[arguments.index("-d") + 1])
    assert sent["event_type"] == "page_view"
    assert datetime.fromisoformat(sent["timestamp"])
    await expect(start).to_contain_text("/tracker.js")
    # The first event is not waited for half a minute.
    api.metrics = metrics(at=NOON + timedelta(seconds=2), users=1)
    await page.clock.run_for(2_000)
    await expect(start).to_be_hidden()
    await expect(page.locator("#users-figure")).to_have_text("1")


async def test_a_service_with_keys_has_its_header_in_the_command(dashboard: OpenPage) -> None:
    api = in_state("empty")
    api.key = "k"
    page = await dashboard(api)
    await page.get_by_label("Read key").fill("k")
    await page.keyboard.press("Enter")
    await expect(page.locator("#start pre").first).to_contain_text("-H 'X-API-Key: YOUR-WRITE-KEY'")
    await expect(page.locator("#start pre").last).to_contain_text('data-key="YOUR-WRITE-KEY"')


DESCRIPTION = {
    "info": {"description": "About."},
    "paths": {
        "/v1/events": {
            "post": {
                "summary": "Send",
                "parameters": [
                    {"name": "limit", "in": "query", "description": "How many.", "schema": {}}
                ],
                "requestBody": {"content": {"application/json": {"example": {"user_id": "ada"}}}},
                "responses": {
                    "202": {
                        "description": "Taken.",
                        "content": {
                            "application/json": {"examples": {"one": {"value": {"accepted": 1}}}}
                        },
                    }
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Event": {"properties": {"user_id": {"type": "string", "description": "Who did it."}}}
        }
    },
    "x-problems": [
        {
            "tag": "rate-limited",
            "status": 429,
            "title": "The rate limit is reached",
            "what_to_do": "Wait as long as Retry-After says.",
        }
    ],
}


async def test_the_description_shows_examples_meanings_and_problems(dashboard: OpenPage) -> None:
    page = await dashboard(FakeApi())
    await page.route("**/openapi.json", lambda route: route.fulfill(json=DESCRIPTION))
    await page.goto(page.url + "docs#rate-limited")
    problem = page.locator("#rate-limited")
    await expect(problem).to_contain_text("Wait as long as Retry-After says.")
    await expect(problem).to_be_in_viewport()
    for words in ('"user_id": "ada"', '"accepted": 1', "How many.", "Who did it."):
        await expect(page.get_by_text(words)).to_be_attached()
    for anchor in ("start", "keys", "tracker", "rate-limits", "post-v1-events", "event"):
        await expect(page.locator(f"#{anchor}")).to_have_count(1)
        await expect(page.locator(f"#contents a[href='#{anchor}']")).to_have_count(1)
    await expect(page.locator("#main")).to_contain_text("curl -i")


async def test_hostile_values_are_only_text_wherever_they_stand(dashboard: OpenPage) -> None:
    page = await dashboard(in_state("hostile"))
    await page.locator("#events-title").click()
    await expect(page.locator("#events-list li")).to_have_count(len(HOSTILE_IDS))
    await page.evaluate("document.querySelectorAll('details').forEach((it) => { it.open = true })")
    built = "main :is(script, iframe, img, style, base, meta, object, embed, [onload], [onerror])"
    assert await page.locator(built).count() == 0
    assert "<script>hacked()</script>" in await page.locator("#events-list").inner_text()
