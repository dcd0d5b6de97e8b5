"""The two charts: bars of minutes and a curve of snapshots, and how they are read."""

from datetime import timedelta

import pytest
from playwright.async_api import expect

from tests.frontend.answers import NOON, history, metrics, per_minute
from tests.frontend.conftest import OpenPage, texts
from tests.frontend.service import FakeApi

pytestmark = pytest.mark.anyio


async def test_views_are_bars_of_minutes_and_a_burst_looks_like_one(dashboard: OpenPage) -> None:
    api = FakeApi()
    api.minutes = per_minute(NOON + timedelta(seconds=40), views=10, since=20, burst=(5,))
    page = await dashboard(api)

    async def boxes(kind: str) -> int:
        return (await page.locator(f"#views-chart path.{kind}").get_attribute("d") or "").count("Z")

    assert [await boxes(kind) for kind in ("bar", "running", "nothing")] == [20, 1, 9]
    await page.locator("#views-chart summary").click()
    rows = await texts(page, "#views-chart tbody tr")
    assert rows[0] == "12:00 7 so far"
    assert len(rows) == 21
    burst = max(int(row.split()[1]) for row in rows)
    assert rows[5] == f"11:55 {burst}"
    assert burst >= 40


async def test_users_are_a_curve_of_snapshots_with_a_table_behind_it(dashboard: OpenPage) -> None:
    page = await dashboard(FakeApi())
    line = await page.locator("#users-chart .line").get_attribute("d")
    assert line is not None
    # The snapshot exactly half an hour old is outside the half-open window; now is the last point.
    assert (line.count("M"), line.count("L")) == (1, 179)
    await page.locator("#users-chart summary").click()
    rows = await texts(page, "#users-chart tbody tr")
    assert rows[0] == "12:00 342"
    assert len(rows) in {30, 31}


async def test_a_gap_in_the_snapshots_breaks_the_curve_and_is_not_read(dashboard: OpenPage) -> None:
    api = FakeApi()
    past = history(api.metrics)
    snapshots = past["snapshots"]
    api.history = {**past, "snapshots": snapshots[:60] + snapshots[120:]}
    page = await dashboard(api)
    line = await page.locator("#users-chart .line").get_attribute("d")
    assert line is not None
    assert line.count("M") == 2
    plot = page.locator("#users-chart .plot")
    box = await plot.bounding_box()
    assert box is not None
    readout = page.locator("#users-chart .readout")
    await page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 20)
    await expect(readout).to_be_visible()
    await page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
    await expect(readout).to_be_hidden()
    await expect(plot).to_have_attribute("aria-valuetext", "nothing known here")


async def test_charts_answer_to_pointer_and_keys_and_never_keep_an_old_value(
    dashboard: OpenPage,
) -> None:
    api = FakeApi()
    page = await dashboard(api, "/#live")
    plot = page.locator("#users-chart .plot")
    readout = page.locator("#users-chart .readout")
    box = await plot.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] - 0.2, box["y"] + 20)
    await expect(readout).to_have_text("342 at 12:00:00")
    api.metrics = metrics(at=NOON + timedelta(seconds=2), users=360)
    await page.clock.run_for(2_000)
    await expect(readout).to_have_text("360 at 12:00:02")
    await page.mouse.move(5, 5)
    await expect(readout).to_be_hidden()
    await expect(plot).to_have_attribute("aria-valuetext", "lowest 255, highest 366, now 360")
    await plot.focus()
    await page.keyboard.press("ArrowLeft")
    await expect(readout).to_have_text("360 at 12:00:02")
    await page.keyboard.press("ArrowLeft")
    await expect(plot).to_have_attribute("aria-valuetext", "345 at 11:59:50")
    await page.keyboard.press("Home")
    await expect(readout).to_contain_text("at 11:30:10")
    await page.keyboard.press("Tab")
    await expect(readout).to_be_hidden()


async def test_a_tap_reads_a_bar_until_something_else_is_touched(dashboard: OpenPage) -> None:
    page = await dashboard(FakeApi(), has_touch=True, viewport={"width": 360, "height": 800})
    plot = page.locator("#views-chart .plot")
    await plot.tap(position={"x": 100, "y": 20})
    readout = page.locator("#views-chart .readout")
    await expect(readout).to_contain_text("at 11:4")
    await page.locator("#views-title").tap()
    await expect(readout).to_be_hidden()
