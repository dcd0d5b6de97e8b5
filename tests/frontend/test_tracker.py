"""The tracker on a shop of another origin, sending to the real service."""

import asyncio
import importlib.util
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, Request, Route, expect

from tests.conftest import running_service

pytestmark = pytest.mark.anyio

SHOP = Path(__file__).resolve().parents[2] / "docs" / "demo-shop"
KEY = "public-write-key"


class Sent(list[Any]):
    """What a page has sent, and a way to wait for more of it."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def note(self, *items: object) -> None:
        """Add what was sent just now."""
        self.extend(items)
        self._more.set()

    async def reach(self, count: int) -> None:
        """Wait until there are so many."""
        async with asyncio.timeout(8):
            while len(self) < count:
                self._more.clear()
                await self._more.wait()


def load_shop() -> ModuleType:
    """Load the demo shop's server from its folder, which is no package."""
    spec = importlib.util.spec_from_file_location("serve", SHOP / "serve.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shop() -> Iterator[Any]:
    """Serve the demo shop."""
    with load_shop().Shop(0, "") as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def service(mongodb_uri: str, shop: Any) -> Iterator[str]:
    """Run a service that lets the shop's origin write, with a key."""
    with running_service(
        FOOTFALL_MONGODB_URI=mongodb_uri,
        FOOTFALL_DATABASE=f"test_{uuid4().hex}",
        FOOTFALL_CORS_ORIGINS=shop.origin,
        FOOTFALL_WRITE_KEYS=KEY,
    ) as url:
        yield url


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context()
    context.set_default_timeout(5000)
    yield context
    await context.close()


OpenShop = Callable[..., Any]


@pytest.fixture
def open_shop(context: BrowserContext, shop: Any, service: str) -> OpenShop:
    """Open the demo shop with its tag pointing to the service under test."""

    async def open_(path: str = "/", consent: str = "", init: str = "") -> tuple[Page, Sent]:
        page = await context.new_page()
        sent = Sent()

        def note(request: Request) -> None:
            if request.method == "POST":
                sent.note(*json.loads(request.post_data or "[]"))

        html: str = load_shop().page_for(service, KEY)
        shop.page = html.replace('data-consent="required"', f'data-consent="{consent}"')
        page.on("request", note)
        if init:
            await page.add_init_script(init)
        await page.goto(shop.origin + path)
        return page, sent

    return open_


async def answered(page: Page, act: Callable[[], Any]) -> dict[str, Any]:
    """Do something that makes the tracker send, and give the service's receipt."""
    async with page.expect_response(
        lambda it: it.url.endswith("/v1/events") and it.status == 202
    ) as waiting:
        await act()
    response = await waiting.value
    receipt: dict[str, Any] = await response.json()
    return receipt


async def test_page_views_and_events_reach_the_service(open_shop: OpenShop, service: str) -> None:
    page, sent = await open_shop("/?utm_source=mail&email=a@b.example#top")
    await sent.reach(1)
    await page.wait_for_function("sessionStorage['footfall.queue'] === '[]'")
    receipt = await answered(page, lambda: page.get_by_role("link", name="Lamp").click())
    assert (receipt["accepted"], receipt["rejected"]) == (1, 0)
    await answered(page, lambda: page.get_by_role("button", name="Add to cart").click())
    await answered(page, page.go_back)
    assert [(it["event_type"], it["page_url"]) for it in sent] == [
        ("page_view", "/"),
        ("page_view", "/products/lamp"),
        ("add_to_cart", "/products/lamp"),
        ("page_view", "/"),
    ]
    assert sent[2]["properties"] == {"sku": "lamp"}
    assert len({it["event_id"] for it in sent}) == 4
    assert len({it["user_id"] for it in sent}) == 1
    assert len({it["session_id"] for it in sent}) == 1
    assert "example" not in json.dumps(sent)
    async with httpx.AsyncClient(base_url=service) as client:
        answer = await client.get(f"/v1/metrics/active-sessions/{sent[0]['user_id']}")
    seen = answer.json()
    assert (seen["sessions"], seen["latest"][0]["session_id"]) == (1, sent[0]["session_id"])


async def test_a_change_of_the_query_alone_is_no_page_view(open_shop: OpenShop) -> None:
    page, sent = await open_shop()
    await sent.reach(1)
    await page.evaluate("history.pushState(null, '', '?sort=price')")
    await page.evaluate("history.replaceState(null, '', '/cart')")
    await sent.reach(2)
    assert [it["page_url"] for it in sent] == ["/", "/cart"]


async def test_ids_last_a_session_ends_after_30_idle_minutes(open_shop: OpenShop) -> None:
    page, first = await open_shop()
    await first.reach(1)
    await page.close()
    second_page, second = await open_shop("/cart")
    await second.reach(1)
    assert second[0]["user_id"] == first[0]["user_id"]
    assert second[0]["session_id"] == first[0]["session_id"]
    await second_page.evaluate(
        """() => {
          const it = JSON.parse(localStorage["footfall.session"]);
          it.at -= 30 * 60 * 1000;
          localStorage["footfall.session"] = JSON.stringify(it);
          footfall.track("search", {words: 2});
        }"""
    )
    await second.reach(2)
    assert second[1]["user_id"] == first[0]["user_id"]
    assert second[1]["session_id"] != first[0]["session_id"]


async def test_what_could_not_be_sent_is_sent_again_with_the_same_ids(
    open_shop: OpenShop, context: BrowserContext
) -> None:
    tries = Sent()
    ends = iter(["503", "lost answer"])

    async def unreliable(route: Route) -> None:
        if route.request.method == "POST":
            tries.note(json.loads(route.request.post_data or "[]"))
            match next(ends, "let through"):
                case "503":
                    return await route.fulfill(status=503)
                case "lost answer":
                    await route.fetch()
                    return await route.abort("connectionreset")
        return await route.continue_()

    await context.route("**/v1/events", unreliable)
    page, _ = await open_shop()
    receipt = await answered(page, lambda: tries.reach(3))
    assert len({json.dumps(it) for it in tries}) == 1
    assert (receipt["accepted"], receipt["duplicate"]) == (0, 1)
    await page.wait_for_function("sessionStorage['footfall.queue'] === '[]'")


async def test_the_queue_survives_the_page_and_stays_small(
    open_shop: OpenShop, context: BrowserContext
) -> None:
    await context.route("**/v1/events", lambda route: route.abort("connectionrefused"))
    page, _ = await open_shop()
    await page.evaluate("() => { for (let i = 0; i < 300; i += 1) footfall.track('e', {i}); }")
    kept = await page.evaluate("JSON.parse(sessionStorage['footfall.queue'])")
    assert [it["properties"]["i"] for it in kept] == list(range(200, 300))
    await context.unroute("**/v1/events")
    await page.reload()
    await page.wait_for_function("sessionStorage['footfall.queue'] === '[]'")


@pytest.mark.parametrize(
    "refusal",
    [
        "Object.defineProperty(Navigator.prototype, 'doNotTrack', {get: () => '1'})",
        "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})",
    ],
)
async def test_do_not_track_is_obeyed(open_shop: OpenShop, refusal: str) -> None:
    page, sent = await open_shop(init=refusal)
    await page.evaluate("footfall.consent(true)")
    await page.get_by_role("link", name="Lamp").click()
    assert await silence(page, sent) == []


async def silence(page: Page, sent: Sent) -> list[str]:
    """Return what the tracker stored once it had every chance to send; it must not have."""
    await page.evaluate("new Promise((done) => setTimeout(done, 400))")
    assert sent == []
    stored: list[str] = await page.evaluate(
        """[...Object.entries(localStorage), ...Object.entries(sessionStorage)]
          .filter(([name, value]) => /visitor|session/.test(name) && value !== "undefined")
          .map(([name]) => name)"""
    )
    return stored


async def test_nothing_without_consent_and_all_is_forgotten_when_withdrawn(
    open_shop: OpenShop,
) -> None:
    page, sent = await open_shop(consent="required")
    counted = page.locator("#counted")
    await expect(counted).to_have_text("Your visit is not counted.")
    await page.get_by_role("link", name="Lamp").click()
    await page.get_by_role("button", name="Add to cart").click()
    await expect(page.locator("#said")).to_have_text("Nothing is sent: you are not counted.")
    assert await silence(page, sent) == []
    await answered(page, lambda: page.get_by_role("button", name="Yes").click())
    assert [it["page_url"] for it in sent] == ["/products/lamp"]
    await expect(counted).to_have_text("Your visit is counted.")
    await page.reload()
    await sent.reach(2)
    await expect(page.get_by_role("button", name="Yes")).to_have_attribute("aria-pressed", "true")
    assert sent[1]["user_id"] == sent[0]["user_id"]
    await page.evaluate("footfall.consent(false)")
    sent.clear()
    await page.evaluate("footfall.track('search')")
    assert await silence(page, sent) == []


async def test_a_page_that_is_left_still_sends(open_shop: OpenShop, service: str) -> None:
    page, sent = await open_shop()
    await sent.reach(1)
    await page.evaluate("footfall.track('last_words')")
    await page.goto("about:blank")
    user = sent[0]["user_id"]
    async with asyncio.timeout(5), httpx.AsyncClient(base_url=service) as client:
        while True:
            seen = (await client.get(f"/v1/metrics/active-sessions/{user}")).json()
            if seen["latest"] and seen["latest"][0]["events"] == 2:
                break
            await asyncio.sleep(0.05)


async def test_storage_may_be_blocked(open_shop: OpenShop) -> None:
    blocked = """for (const name of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(window, name, {get() { throw new Error("blocked"); }});
    }"""
    page, sent = await open_shop(init=blocked)
    await sent.reach(1)
    await page.get_by_role("link", name="Lamp").click()
    await sent.reach(2)
    assert sent[0]["user_id"] == sent[1]["user_id"]
    assert sent[0]["session_id"] == sent[1]["session_id"]
