"""At every width and in both themes: accessible, and never wider than the screen."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from shared.ingest.rejections import Rejection, Rejections
from shared.schema import History
from tests.frontend.answers import EMPTY, NOON, history, metrics
from tests.frontend.conftest import OpenPage
from tests.frontend.payloads import HOSTILE_IDS, HOSTILE_PAGES, HOSTILE_TYPES
from tests.frontend.service import FakeApi

pytestmark = pytest.mark.anyio

VENDOR = Path(__file__).parent / "vendor"
SIZES = {320: 640, 360: 800, 768: 1024, 1440: 900, 2560: 1440, 3840: 2160}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="session")
def axe() -> str:
    """Read the vendored axe-core, which must be what its checksum says."""
    source = (VENDOR / "axe.min.js").read_bytes()
    wanted = (VENDOR / "axe.min.js.sha256").read_text().split()[0]
    assert hashlib.sha256(source).hexdigest() == wanted
    return source.decode()


def shop(state: str) -> FakeApi:
    """Make a service in one of the states a page has to look right in."""
    api = FakeApi()
    if state == "empty":
        api.metrics = metrics(**EMPTY)
        api.history = History(as_of=NOON, minutes=60, snapshots=[])
        api.rejections = Rejections(as_of=NOON, rejections=[])
    elif state == "hostile":
        huge = 1_000_000_000_007
        api.metrics = metrics(
            users=huge,
            pages={page: huge - i for i, page in enumerate(HOSTILE_PAGES[:5])},
            people={user: huge - i for i, user in enumerate(HOSTILE_IDS[:10])},
            types={"page_view": huge} | {name: 10**9 - i for i, name in enumerate(HOSTILE_TYPES)},
            spread=(huge, huge, huge),
            late=huge,
            rejected=huge,
        )
        api.history = history(api.metrics)
        api.rejections = Rejections(as_of=NOON, rejections=[hostile_rejection()] * 5)
        api.users = {HOSTILE_IDS[0]: 500}
    elif state == "gone":
        api.fail = "gone"
    elif state == "key":
        api.key = "k"
    return api


def hostile_rejection() -> Rejection:
    return Rejection(
        rejected_at=NOON,
        code="unknown_field",
        pointer="/" + HOSTILE_IDS[0] * 9,
        detail=HOSTILE_PAGES[1] * 9,
        event=json.dumps({"user_id": HOSTILE_IDS}),
        count=10**12,
    )


async def check(page: Page, axe: str) -> None:
    """Open everything that opens, then let axe-core look and measure the width."""
    await page.evaluate("document.querySelectorAll('details').forEach((it) => { it.open = true })")
    await page.evaluate(axe)
    found: list[dict[str, Any]] = await page.evaluate(
        """async (rules) => {
          const {violations} = await axe.run({runOnly: rules});
          return violations.map(({id, nodes}) => (
            {id, why: nodes[0].failureSummary, at: nodes.map((it) => it.html.slice(0, 200))}));
        }""",
        RULES,
    )
    assert found == [], json.dumps(found, indent=1)
    too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(too_wide) == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
async def test_a_good_day(dashboard: OpenPage, axe: str, width: int, theme: str) -> None:
    page = await dashboard(
        shop("good"),
        "/#user=usr_789",
        clock=False,
        color_scheme=theme,
        viewport={"width": width, "height": SIZES[width]},
        reduced_motion="reduce",
    )
    await expect(page.locator("#found")).to_contain_text("7 active sessions")
    await check(page, axe)


@pytest.mark.parametrize(
    ("state", "width", "theme"),
    [
        ("empty", 360, "dark"),
        ("empty", 1440, "light"),
        ("hostile", 320, "light"),
        ("hostile", 768, "dark"),
        ("hostile", 2560, "light"),
        ("gone", 360, "light"),
        ("gone", 1440, "dark"),
        ("key", 1440, "light"),
        ("key", 360, "dark"),
        ("wall", 1440, "light"),
        ("wall", 2560, "dark"),
    ],
)
async def test_every_other_day(
    dashboard: OpenPage, axe: str, state: str, width: int, theme: str
) -> None:
    page = await dashboard(
        shop(state),
        "/#view=wall" if state == "wall" else "/",
        clock=False,
        color_scheme=theme,
        viewport={"width": width, "height": SIZES[width]},
        reduced_motion="reduce",
    )
    await check(page, axe)


async def test_numbers_that_may_be_old_step_back(dashboard: OpenPage, axe: str) -> None:
    api = FakeApi()
    page = await dashboard(api, reduced_motion="reduce")
    colour = "getComputedStyle(document.querySelector('#users-figure')).color"
    fresh = await page.evaluate(colour)
    api.fail = "gone"
    await page.clock.run_for(30_000)
    await expect(page.locator("#state")).to_have_text("Server unreachable")
    assert await page.evaluate(colour) != fresh
    await page.clock.resume()  # axe-core waits for timers
    await check(page, axe)


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_description_of_the_api(
    dashboard: OpenPage, axe: str, width: int, theme: str
) -> None:
    page = await dashboard(
        FakeApi(), clock=False, color_scheme=theme, viewport={"width": width, "height": 900}
    )
    await page.get_by_role("link", name="API").click()
    await expect(page.locator("#post-v1-events")).to_have_text("POST /v1/events")
    await page.get_by_role("link", name="Event", exact=True).first.click()
    await expect(page.locator("#event")).to_be_in_viewport()
    await expect(page.locator("section", has=page.locator("#event"))).to_contain_text("user_id")
    await check(page, axe)
