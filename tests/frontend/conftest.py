"""One browser and one server for all tests of the pages; a new context for each."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, Protocol

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from tests.frontend.answers import NOON
from tests.frontend.chromium import launch
from tests.frontend.origin import serving
from tests.frontend.service import FakeApi


class OpenPage(Protocol):
    """Opens the dashboard on a fake service."""

    async def __call__(
        self, api: FakeApi, address: str = "/", *, clock: bool = True, **context: Any
    ) -> Page: ...


def _is_ours(message: ConsoleMessage) -> bool:
    """Whether it is an error of the page, not the browser's note that a request failed."""
    return message.type == "error" and not message.text.startswith("Failed to load resource")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def origin() -> Iterator[str]:
    with serving() as origin:
        yield origin


@pytest.fixture
async def dashboard(browser: Browser, origin: str) -> AsyncIterator[OpenPage]:
    """Open pages at noon on a clock that the test moves; fail the test on any script error."""
    pages: list[Page] = []
    errors: list[str] = []

    async def open_page(
        api: FakeApi, address: str = "/", *, clock: bool = True, **context: Any
    ) -> Page:
        settings: dict[str, Any] = {
            "viewport": {"width": 1440, "height": 900},
            "locale": "en-GB",
            "timezone_id": "UTC",
            **context,
        }
        page = await (await browser.new_context(**settings)).new_page()
        page.set_default_timeout(5000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda it: errors.append(it.text) if _is_ours(it) else None)
        pages.append(page)
        await api.attach(page)
        if clock:
            await page.add_init_script("Math.random = () => 0.5")
            await page.clock.install(time=NOON - timedelta(minutes=1))
            await page.clock.pause_at(NOON)
        await page.goto(origin + address)
        await expect(page.locator("#status")).not_to_have_attribute("data-state", "loading")
        return page

    yield open_page
    for page in pages:
        await page.context.close()
    assert errors == []


async def texts(page: Page, selector: str) -> list[str]:
    """Return what elements show, with every run of white space as one space."""
    return [" ".join(text.split()) for text in await page.locator(selector).all_inner_texts()]
