"""`python -m tests.frontend.look FOLDER [NAME…]`: pictures of the page in every state."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from playwright.async_api import Browser, async_playwright, expect

from tests.frontend.answers import NOON
from tests.frontend.chromium import launch
from tests.frontend.origin import serving
from tests.frontend.states import in_state

# name: state, address, width, height, theme, whole page
PICTURES = {
    "360": ("busy", "/#user=usr_789", 360, 800, "light", True),
    "360-dark": ("much", "/", 360, 800, "dark", True),
    "768": ("busy", "/", 768, 1024, "light", True),
    "1440": ("busy", "/", 1440, 780, "light", False),
    "1440-whole": ("busy", "/#user=usr_789", 1440, 780, "light", True),
    "1440-dark": ("busy", "/", 1440, 780, "dark", True),
    "1280": ("busy", "/", 1280, 720, "light", False),
    "1366": ("much", "/", 1366, 768, "light", False),
    "3840": ("busy", "/", 3840, 2160, "light", False),
    "empty": ("empty", "/", 1440, 780, "light", True),
    "empty-360": ("empty", "/", 360, 800, "dark", True),
    "filling": ("filling", "/", 1440, 780, "light", False),
    "much": ("much", "/", 1440, 780, "dark", True),
    "silent": ("silent", "/", 1440, 780, "light", False),
    "silent-wall": ("silent", "/#view=wall", 1920, 1080, "dark", False),
    "hostile": ("hostile", "/", 1440, 780, "light", True),
    "hostile-360": ("hostile", "/", 360, 800, "light", True),
    "key": ("key", "/", 1440, 780, "light", False),
    "gone": ("gone", "/", 1440, 780, "dark", False),
    "wall": ("busy", "/#view=wall", 1920, 1080, "light", False),
    "wall-portrait": ("busy", "/#view=wall", 1080, 1920, "dark", False),
    "print": ("busy", "/", 1440, 780, "light", True),
    "docs": ("busy", "/docs", 1440, 900, "light", False),
}


async def _picture(browser: Browser, origin: str, name: str, folder: Path) -> None:
    state, address, width, height, theme, whole = PICTURES[name]
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    page = await context.new_page()
    page.on("pageerror", lambda error: print(name, error))
    await in_state(state).attach(page)
    await page.clock.install(time=NOON - timedelta(minutes=1))
    await page.clock.pause_at(NOON)
    await page.goto(origin + address)
    if address != "/docs":
        await expect(page.locator("#status")).not_to_have_attribute("data-state", "loading")
    if whole and width > 768:
        await page.evaluate("document.querySelector('#events').open = true")
    await page.wait_for_load_state("networkidle")
    await page.clock.run_for(1000)
    if name == "print":
        await page.pdf(path=folder / "print.pdf", format="A4")
    else:
        await page.screenshot(path=folder / f"{name}.png", full_page=whole)
    await context.close()


async def _look(folder: Path, names: list[str]) -> None:
    with serving() as origin:
        async with async_playwright() as playwright:
            browser = await launch(playwright)
            for name in names or PICTURES:
                await _picture(browser, origin, name, folder)


if __name__ == "__main__":
    asyncio.run(_look(Path(sys.argv[1]), sys.argv[2:]))
