"""The dashboard on the real service and a real mongod: what is posted is seen, and only seen."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.events import event
from tests.frontend.payloads import HOSTILE_IDS, HOSTILE_PAGES, HOSTILE_TYPES

pytestmark = pytest.mark.anyio

# Drawn where a minute has events: the running one, or the one before if that has ended since.
BAR = "#views-chart path:is(.running, .bar)[d*=Z]"


async def post(url: str, *events: dict[str, Any], status: int = 202) -> dict[str, int]:
    """Post events, and wait for metrics later than that: a page may be given some a second old."""
    async with httpx.AsyncClient(base_url=url) as client:
        answer = await client.post("/v1/events", json=list(events))
        assert answer.status_code == status, answer.text
        posted = datetime.now(UTC)
        async with asyncio.timeout(10):
            while True:
                shown = (await client.get("/v1/metrics")).json()
                if datetime.fromisoformat(shown["as_of"]) >= posted:
                    break
                await asyncio.sleep(0.05)
    receipt: dict[str, int] = answer.json()
    return receipt


async def open_dashboard(browser: Browser, address: str) -> tuple[Page, list[str]]:
    """Open a page that reports whatever runs that should not, and every foreign request."""
    context = await browser.new_context(locale="en-GB", viewport={"width": 1440, "height": 900})
    page = await context.new_page()
    told: list[str] = []
    await page.expose_function("hacked", lambda: told.append("a payload ran"))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("dialog", lambda dialog: told.append(dialog.message))
    page.on("console", lambda it: told.append(it.text) if it.type == "error" else None)
    own = "/".join(address.split("/")[:3])
    page.on("request", lambda it: told.append(it.url) if not it.url.startswith(own) else None)
    await page.goto(address)
    return page, told


async def test_what_is_posted_is_seen(browser: Browser, fresh_service_url: str) -> None:
    views = [event(page_url="/shoes", user_id=f"usr_{i}", session_id=f"s{i}") for i in range(3)]
    other = [
        event(user_id="usr_0", session_id="second"),
        event(event_type="add_to_cart"),
        event(event_type="search"),
        event(timestamp="2024-03-15T14:30:00Z"),
        event(user_id=5),
    ]
    receipt = await post(fresh_service_url, *views, *other)
    assert (receipt["accepted"], receipt["late"], receipt["rejected"]) == (7, 1, 1)
    page, told = await open_dashboard(browser, f"{fresh_service_url}/#user=usr_0")
    await expect(page.locator("#users-figure")).to_have_text("3")
    await expect(page.locator("#views-figure")).to_have_text("4")
    await expect(page.locator("#pages li").first).to_contain_text("/shoes")
    await expect(page.locator("#people li").first).to_contain_text("usr_0")
    await expect(page.locator("#found")).to_contain_text("2 active sessions")
    await expect(page.locator("#others")).to_contain_text("search 1")
    await expect(page.locator("#late")).to_have_text("1")
    await expect(page.locator("#rejected")).to_have_text("1")
    await expect(page.locator("#refusals li")).to_contain_text("/user_id")
    await expect(page.locator("#heartbeat")).to_contain_text("events/min")
    await expect(page.locator(BAR).first).to_be_attached()
    await page.locator("#events-title").click()
    rows = page.locator("#events-list li")
    await expect(rows).to_have_count(7)
    await expect(rows.first.locator(".late")).to_contain_text("late by")
    await post(fresh_service_url, *[event(page_url="/hats") for _ in range(9)])
    await page.locator("#live").click()
    await expect(page.locator("#pages li").first).to_contain_text("/hats")
    await expect(rows).to_have_count(16)
    assert told == []
    await page.context.close()


async def test_payloads_posted_as_events_run_nothing(
    browser: Browser, fresh_service_url: str
) -> None:
    pages = [event(page_url=page) for page in HOSTILE_PAGES for _ in range(2)]
    people = [
        event(user_id=user, session_id=f"{i}")
        for number, user in enumerate(HOSTILE_IDS)
        for i in range(2 + number % 3)
    ]
    types = [event(event_type=name) for name in HOSTILE_TYPES]
    assert (await post(fresh_service_url, *pages, *people, *types))["rejected"] == 0
    refused = [event(user_id=mark, extra=mark) for mark in HOSTILE_IDS]
    refused += [{mark: mark for mark in HOSTILE_IDS}]
    await post(fresh_service_url, *refused, status=422)

    page, told = await open_dashboard(browser, f"{fresh_service_url}/")
    await expect(page.locator("#refusals li")).not_to_have_count(0)
    await page.get_by_role("button", name="Show 50").click()
    await expect(page.locator("#pages")).to_contain_text("<script>hacked()</script>")
    for number, user in enumerate(HOSTILE_IDS):
        await page.get_by_label("Look up one user").fill(user)
        await page.get_by_role("button", name="Look up").click()
        await expect(page.locator("#found .summary")).to_contain_text(
            f"{2 + number % 3} active sessions"
        )
    for link in await page.locator("#people a").all():
        await link.click()
    await page.evaluate("document.querySelectorAll('details').forEach((it) => { it.open = true })")
    await expect(page.locator("#events-list li")).to_have_count(50)
    await page.locator("#refresh").click()
    await expect(page.locator("#state")).to_have_text("Up to date")
    built = "main :is(script, iframe, img, style, base, meta, object, embed, [onload], [onerror])"
    assert await page.locator(built).count() == 0
    assert told == []
    await page.context.close()
