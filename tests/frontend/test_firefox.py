"""The dashboard in Firefox, on the real service: what only another browser can find."""

from collections.abc import Iterator

import pytest

from tests.events import event
from tests.frontend.firefox import Firefox
from tests.frontend.payloads import HOSTILE_IDS, HOSTILE_PAGES
from tests.frontend.test_service import BAR, post

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    with Firefox.running(tmp_path_factory.mktemp("firefox")) as running:
        yield running


async def test_the_dashboard_works_in_firefox(firefox: Firefox, fresh_service_url: str) -> None:
    views = [event(page_url="/shoes", user_id=f"usr_{i}", session_id=f"s{i}") for i in range(40)]
    marks = [event(user_id=user, session_id="s") for user in HOSTILE_IDS]
    pages = [event(page_url=page) for page in HOSTILE_PAGES]
    await post(fresh_service_url, *views, *marks, *pages, event(event_type="add_to_cart"))
    await post(fresh_service_url, event(user_id=5), status=422)

    firefox.open(f"{fresh_service_url}/#live")
    firefox.until("document.querySelector('#pages .label')?.textContent === '/shoes'")
    users = len({f"usr_{i}" for i in range(40)} | {*HOSTILE_IDS, "usr_1"})
    assert firefox.run("return document.querySelector('#users-figure').textContent") == str(users)
    firefox.until(f"document.querySelector('{BAR}')?.getBBox().width > 0")

    firefox.run("location.hash = 'live&user=' + encodeURIComponent('..')")
    firefox.until("document.querySelector('#found .summary')?.textContent.startsWith('1 active')")
    firefox.run("document.querySelectorAll('details').forEach((it) => { it.open = true })")
    firefox.until("document.querySelectorAll('#events-list li').length === 50")
    firefox.run("document.querySelector('#pages-more').click()")
    firefox.until("document.querySelectorAll('#pages li').length > 20")
    for width, height, address in (
        (1440, 780, "/"),
        (500, 800, "/"),
        (1920, 1080, "/#view=wall"),
        (1440, 780, "/docs#rate-limits"),
    ):
        firefox.open(fresh_service_url + address, width=width, height=height)
        firefox.until("document.readyState === 'complete'")
        too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not firefox.run(f"return {too_wide}"), (width, address)
    firefox.until("document.querySelector('#post-v1-events')")
    assert firefox.errors_of(fresh_service_url) == []


async def test_firefox_would_tell_of_an_error(firefox: Firefox, service_url: str) -> None:
    """Or the test above could not fail."""
    firefox.open(f"{service_url}/docs")
    firefox.run("document.body.setAttribute('style', 'color: red')")
    assert any("style" in it for it in firefox.errors_of(service_url))
