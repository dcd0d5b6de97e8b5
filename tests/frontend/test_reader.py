"""What a reader does: looks a user up, follows links, gives a key, uses the keyboard."""

from datetime import timedelta
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.frontend.answers import NOON, metrics, user_sessions
from tests.frontend.conftest import OpenPage
from tests.frontend.service import FakeApi

pytestmark = pytest.mark.anyio


async def test_a_user_is_looked_up_and_the_address_says_so(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    await page.get_by_label("Look up one user").fill("usr_789")
    await page.keyboard.press("Enter")
    found = page.locator("#found")
    await expect(found).to_contain_text("7 active sessions in the last 5 minutes.")
    await expect(found.locator("li")).to_have_count(7)
    await expect(found.locator("li").first).to_contain_text("sess_0")
    await expect(found.locator("li").first).to_contain_text("12 events, last 4 s ago")
    assert page.url.endswith("#user=usr_789")
    await page.clock.run_for(100)
    await expect(page.locator("#announcements")).to_contain_text("7 active sessions")
    await page.get_by_role("button", name="Close").click()
    await expect(found).to_be_hidden()
    assert "#" not in page.url
    await page.go_back()
    await expect(found).to_be_visible()


LOOK_UPS = {
    "usr_789": "7 active sessions in the last 5 minutes.",
    "sleeper": "Not seen in the last 5 minutes.",
    "server": "Active without a session: the last event 80 s ago carried no session id.",
    ".": "1 active session in the last 5 minutes.",
    "..": "2 active sessions in the last 5 minutes.",
    "../../metrics": "Not seen in the last 5 minutes.",
    "a/b?c#d": "1 active session in the last 5 minutes.",
    " blank ": "3 active sessions in the last 5 minutes.",
    "usr_789 ": "Not seen in the last 5 minutes. The id has a blank at an end. Look up without it",
    "100%": "1 active session in the last 5 minutes.",
}


async def test_any_id_can_be_looked_up_typed_or_by_link(dashboard: OpenPage) -> None:
    api = FakeApi()
    for user, sessions in {".": 1, "..": 2, "a/b?c#d": 1, " blank ": 3, "100%": 1}.items():
        api.users[user] = user_sessions(user, sessions)
    api.users["server"] = user_sessions("server", 0, seen=80)
    page = await dashboard(api)
    summary = page.locator("#found .summary")
    for user, words in LOOK_UPS.items():
        await page.get_by_label("Look up one user").fill(user)
        await page.keyboard.press("Enter")
        await expect(page.locator("#found")).to_be_visible()
        await expect(summary).to_have_text(words)
    asked = [parse_qs(urlsplit(it).query) for it in api.addresses if "active-sessions" in it]
    assert [it["user_id"] for it in asked] == [[user] for user in LOOK_UPS]
    for user, words in LOOK_UPS.items():
        await page.evaluate("user => { location.hash = `live&user=${user}` }", quote(user, safe=""))
        await expect(summary).to_have_text(words)
    await page.evaluate("location.hash = 'user=100%'")  # as somebody wrote it by hand
    await expect(summary).to_have_text(LOOK_UPS["100%"])


async def test_a_row_leads_to_its_user_and_is_renewed_with_the_rest(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    await page.get_by_role("link", name="usr_789").click()
    await expect(page.locator("#found")).to_contain_text("7 active sessions")
    api.users["usr_789"] = user_sessions("usr_789", 2000)
    await page.clock.run_for(30_000)
    await expect(page.locator("#found")).to_contain_text(
        "2,000 active sessions in the last 5 minutes, the newest 100 of them here."
    )


async def give_key(page: Page, key: str, *, remember: bool) -> None:
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    await page.get_by_label("Read key").fill(key)
    if remember:
        await page.get_by_label("Remember it on this device").check()
    await page.keyboard.press("Enter")


@pytest.mark.parametrize("remember", [False, True])
async def test_a_key_is_asked_for_once_and_stays_out_of_addresses(
    dashboard: OpenPage, remember: bool
) -> None:
    api = FakeApi()
    api.key = "s3cret-key"
    page = await dashboard(api)
    await expect(page.locator("#state")).to_have_text("Key needed")
    await give_key(page, "wrong", remember=False)
    await expect(page.locator("#key-reason")).to_contain_text("was not accepted")
    await give_key(page, "s3cret-key", remember=remember)
    await expect(page.locator("#users-figure")).to_have_text("342")
    await page.reload()
    await expect(page.locator("#users-figure")).to_have_text("342")
    assert api.authorizations[-1] == "Bearer s3cret-key"
    assert not [it for it in [*api.addresses, page.url] if "s3cret" in it]
    stores = "[sessionStorage, localStorage].map((it) => it.getItem('footfall.key'))"
    wanted = [None, "s3cret-key"] if remember else ["s3cret-key", None]
    assert await page.evaluate(stores) == wanted
    await page.evaluate("location.hash = 'user=usr_789'")
    await page.get_by_role("button", name="Forget the key").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await page.evaluate(stores) == [None, None]
    assert "usr_" not in page.url + await page.content()


async def test_a_key_that_is_taken_back_hides_what_it_showed(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    await expect(page.locator("#people")).to_be_visible()
    api.key = "k"
    await page.clock.run_for(30_000)
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert "usr_" not in await page.locator("body").inner_text()
    await page.get_by_role("button", name="Not now").click()
    await page.clock.run_for(300_000)
    assert api.asked["/v1/metrics"] == 2
    await page.get_by_role("button", name="Enter a read key").click()
    await give_key(page, "k", remember=False)
    await expect(page.locator("#state")).to_have_text("Up to date")
    await expect(page.locator("#people")).to_be_visible()


async def test_focus_selection_and_scroll_survive_a_refresh(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    await page.get_by_role("link", name="usr_31").focus()
    await page.evaluate(
        """() => {
          const text = document.querySelector("#pages li:nth-child(3) bdi").firstChild;
          getSelection().setBaseAndExtent(text, 1, text, 9);
          scrollTo(0, 300);
        }"""
    )
    people = {"usr_new": 9, "usr_31": 8, "usr_789": 7}
    pages = {"/new": 900, "/products/garden": 500, "/": 400}
    api.metrics = metrics(at=NOON + timedelta(seconds=30), people=people, pages=pages)
    await page.clock.run_for(30_000)
    await expect(page.locator("#people li")).to_have_count(3)
    assert await page.evaluate("document.activeElement.textContent") == "usr_31"
    assert await page.evaluate("getSelection().toString()") == "products"
    assert await page.evaluate("scrollY") == 300
    labels = await page.locator("#people .label").all_inner_texts()
    assert labels == list(people)
    assert await page.locator("#pages .label").all_inner_texts() == list(pages)


async def test_focus_moves_to_the_heading_when_its_row_is_gone(dashboard: OpenPage) -> None:
    api = FakeApi()
    page = await dashboard(api)
    await page.get_by_role("link", name="usr_31").focus()
    api.metrics = metrics(at=NOON + timedelta(seconds=30), people={"usr_1": 1})
    await page.clock.run_for(30_000)
    await expect(page.locator("#people-title")).to_be_focused()


async def test_everything_can_be_reached_and_used_by_keyboard(dashboard: OpenPage) -> None:
    page = await dashboard(FakeApi())
    reached: list[str] = []
    for _ in range(45):
        await page.keyboard.press("Tab")
        reached.append(
            await page.evaluate(
                """() => {
                  const it = document.activeElement;
                  if (it === document.body) return "the end";
                  const outline = getComputedStyle(it).outlineStyle;
                  return outline === "none" ? "no outline" : it.id || it.textContent;
                }"""
            )
        )
    assert "no outline" not in reached
    for wanted in ("Skip to the numbers", "refresh", "pause", "live", "wall", "theme"):
        assert wanted in reached
    for wanted in ("lookup-user", "Look up", "usr_789", "Top pages as a table", "API"):
        assert wanted in reached
    for wanted in ("pages-more", "pages-copy", "pages-csv"):
        assert wanted in reached


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
async def test_only_what_changed_moves_and_only_if_wanted(dashboard: OpenPage, motion: str) -> None:
    api = FakeApi()
    page = await dashboard(api, reduced_motion=motion)
    await page.evaluate(
        """() => {
          window.moved = [];
          const animate = Element.prototype.animate;
          Element.prototype.animate = function (...how) {
            window.moved.push(this.id || this.textContent);
            return animate.apply(this, how);
          };
        }"""
    )
    api.metrics = metrics(at=NOON + timedelta(seconds=30), users=360)
    await page.clock.run_for(30_000)
    await expect(page.locator("#users-figure")).to_have_text("360")
    wanted = [] if motion == "reduce" else ["users-figure"]
    assert await page.evaluate("window.moved") == wanted
    transition = "getComputedStyle(document.querySelector('.bar')).transitionDuration"
    if motion == "reduce":
        assert await page.evaluate(transition) == "0s"


async def test_the_theme_is_kept_and_there_before_the_first_paint(dashboard: OpenPage) -> None:
    page = await dashboard(FakeApi(), color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(ground)
    await page.locator("#theme").click()
    await page.locator("#theme").click()
    await expect(page.locator("#theme")).to_have_text("Theme: dark")
    assert await page.evaluate(ground) != light
    await page.reload(wait_until="commit")
    await page.wait_for_selector("body", state="attached")
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (1366, 768), (3840, 2160)])
async def test_the_wall_shows_no_ids_and_fits_its_screen(
    dashboard: OpenPage, size: tuple[int, int]
) -> None:
    width, height = size
    page = await dashboard(
        FakeApi(), "/#view=wall&user=usr_789", viewport={"width": width, "height": height}
    )
    await expect(page.locator("#users-figure")).to_have_text("342")
    text = await page.locator("body").inner_text()
    assert "usr_" not in text
    assert "sess_" not in text
    fit = "[document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
    assert await page.evaluate(fit) == [height, width]
    cut = """[...document.querySelectorAll(".card")].filter((it) => it.checkVisibility()
      && (it.scrollHeight > it.clientHeight + 1 || it.scrollWidth > it.clientWidth + 1))
      .map((it) => it.className)"""
    assert await page.evaluate(cut) == []
    for chart in await page.locator(".plot").all():
        box = await chart.bounding_box()
        assert box is not None
        assert 50 < box["height"] < height / 2
    await page.keyboard.press("Escape")
    await expect(page.locator("#people")).to_be_visible()


async def test_leaving_the_wall_keeps_the_button(dashboard: OpenPage) -> None:
    page = await dashboard(FakeApi())
    await page.locator("#wall").click()
    await expect(page.locator("html")).to_have_class("wall")
    assert page.url.endswith("#view=wall")
    await expect(page.locator("#wall")).to_have_attribute("aria-pressed", "true")
    await page.get_by_role("button", name="Leave wall").click()
    await expect(page.locator("html")).not_to_have_class("wall")


@pytest.mark.parametrize("width", [360, 768, 1440])
async def test_numbers_arrive_without_pushing_the_page_about(
    dashboard: OpenPage, width: int
) -> None:
    page = await dashboard(FakeApi(), clock=False, viewport={"width": width, "height": 900})
    await expect(page.locator("#users-figure")).to_have_text("342")
    shift = await page.evaluate(
        """() => new Promise((done) => {
          let sum = 0;
          const add = (list) => { for (const it of list.getEntries()) sum += it.value; };
          new PerformanceObserver(add).observe({type: "layout-shift", buffered: true});
          setTimeout(() => done(sum), 250);  // buffered entries come in a task of their own
        })"""
    )
    assert shift < 0.01
