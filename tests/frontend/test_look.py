"""In every state, at every width, in both themes: accessible, and never wider than the screen."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Page, expect

from tests.frontend.conftest import OpenPage
from tests.frontend.service import FakeApi
from tests.frontend.states import in_state

pytestmark = pytest.mark.anyio

VENDOR = Path(__file__).parent / "vendor"
SIZES = {320: 640, 360: 800, 768: 1024, 1280: 720, 1440: 780, 2560: 1440, 3840: 2160}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
Theme = Literal["light", "dark"]


@pytest.fixture(scope="session")
def axe() -> str:
    """Read the vendored axe-core, which must be what its checksum says."""
    source = (VENDOR / "axe.min.js").read_bytes()
    wanted = (VENDOR / "axe.min.js.sha256").read_text().split()[0]
    assert hashlib.sha256(source).hexdigest() == wanted
    return source.decode()


async def fits(page: Page, width: int) -> None:
    """Make the page that wide; nothing of it may be wider."""
    await page.set_viewport_size({"width": width, "height": SIZES[width]})
    too_wide = """[...document.querySelectorAll("body, .card, .bar, .controls")]
      .filter((it) => it.checkVisibility() && it.scrollWidth > document.documentElement.clientWidth)
      .map((it) => it.className)"""
    assert await page.evaluate(too_wide) == [], width


async def look(page: Page, axe: str, width: int, theme: Theme) -> None:
    """Make the page that wide and of that theme, and let axe-core look at it."""
    await fits(page, width)
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(axe)
    found: list[dict[str, Any]] = await page.evaluate(
        """async (rules) => {
          const {violations} = await axe.run({runOnly: rules, resultTypes: ["violations"]});
          return violations.map(({id, nodes}) => (
            {id, why: nodes[0].failureSummary, at: nodes.map((it) => it.html.slice(0, 200))}));
        }""",
        RULES,
    )
    assert found == [], f"{width} {theme}: {json.dumps(found, indent=1)}"


async def open_all(page: Page) -> None:
    await page.evaluate("document.querySelectorAll('details').forEach((it) => { it.open = true })")


async def test_a_good_day_at_every_size(dashboard: OpenPage, axe: str) -> None:
    api = in_state("busy")
    del api.events["events"][10:]  # axe-core's time grows with what there is to look at
    page = await dashboard(api, "/#user=usr_789", clock=False)
    await expect(page.locator("#found")).to_contain_text("7 active sessions")
    await open_all(page)
    await expect(page.locator("#events-list li")).to_have_count(10)
    for width in SIZES:
        await fits(page, width)
    for width in (320, 1440, 3840):  # axe-core takes most of a second
        await look(page, axe, width, "light")
        await look(page, axe, width, "dark")


@pytest.mark.parametrize(
    ("state", "views"),
    [
        ("empty", [(360, "dark"), (1440, "light")]),
        ("hostile", [(320, "light"), (768, "dark")]),
        ("much", [(320, "dark"), (1280, "light")]),
        ("silent", [(360, "light"), (1440, "dark")]),
        ("gone", [(360, "light"), (1440, "dark")]),
        ("key", [(360, "dark"), (1440, "light")]),
    ],
)
async def test_every_other_day(
    dashboard: OpenPage, axe: str, state: str, views: list[tuple[int, Theme]]
) -> None:
    page = await dashboard(in_state(state), clock=False)
    await open_all(page)
    for width, theme in views:
        await look(page, axe, width, theme)
    for width in SIZES:
        await fits(page, width)


async def test_the_wall(dashboard: OpenPage, axe: str) -> None:
    page = await dashboard(in_state("silent"), "/#view=wall", clock=False)
    for width, theme in ((1440, "light"), (2560, "dark")):
        await look(page, axe, width, "light" if theme == "light" else "dark")


async def test_numbers_that_may_be_old_step_back(dashboard: OpenPage, axe: str) -> None:
    api = FakeApi()
    page = await dashboard(api)
    colour = "getComputedStyle(document.querySelector('#users-figure')).color"
    fresh = await page.evaluate(colour)
    api.fail = "gone"
    await page.clock.run_for(30_000)
    await expect(page.locator("#state")).to_have_text("Server unreachable")
    assert await page.evaluate(colour) != fresh
    await page.clock.resume()  # axe-core waits for timers
    await look(page, axe, 1440, "light")


async def test_the_description_of_the_api(dashboard: OpenPage, axe: str) -> None:
    page = await dashboard(FakeApi(), clock=False)
    await page.get_by_role("link", name="API").click()
    await expect(page.locator("#post-v1-events")).to_have_text("POST /v1/events")
    await page.get_by_role("link", name="Event", exact=True).first.click()
    await expect(page.locator("#event")).to_be_in_viewport()
    await expect(page.locator("section", has=page.locator("#event"))).to_contain_text("user_id")
    await look(page, axe, 320, "light")
    await look(page, axe, 1440, "dark")


async def test_on_paper_nothing_is_lost(dashboard: OpenPage) -> None:
    page = await dashboard(in_state("busy"))
    await page.emulate_media(media="print")
    for wanted in ("#pages", "#people", "#refusals", "#stages"):
        await expect(page.locator(wanted)).to_be_visible()
    cut = """[...document.querySelectorAll(".refusals, .ranking, .card")]
      .filter((it) => it.scrollHeight > it.clientHeight + 1).map((it) => it.className)"""
    assert await page.evaluate(cut) == []
    bars = "getComputedStyle(document.querySelector('.ranking .bar')).printColorAdjust"
    assert await page.evaluate(bars) == "exact"
    for unwanted in (".controls", ".lookup", ".arriving"):
        await expect(page.locator(unwanted)).to_be_hidden()
