"""A service whose answers the test decides; the page is the real one."""

import re
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Page, Route

from tests.frontend.answers import (
    Json,
    history,
    metrics,
    per_minute,
    rejections,
    stored_events,
    user_sessions,
)


class FakeApi:
    """Answers `/v1/…` of one page. `fail` (a status, "gone" or "silent") fails all."""

    def __init__(self) -> None:
        self.metrics = metrics()
        self.history: Json | None = None
        self.minutes = per_minute()
        self.rejections = rejections()
        self.events = stored_events()
        self.more_pages: dict[str, int] = {}
        self.users: dict[str, Json] = {"usr_789": user_sessions("usr_789", 7)}
        self.fail: int | str | None = None
        self.broken: set[str] = set()
        self.key: str | None = None
        self.retry_after: str | None = None
        self.asked: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.authorizations: list[str | None] = []

    async def attach(self, page: Page) -> None:
        """Answer what `page` asks below `/v1/`."""
        await page.route(re.compile(r"/v1/"), self._answer)

    async def _answer(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        self.asked[url.path] += 1
        self.addresses.append(route.request.url)
        self.authorizations.append(await route.request.header_value("authorization"))
        if self.fail == "silent":
            return
        if self.fail == "gone":
            await route.abort("connectionrefused")
        elif isinstance(self.fail, int):
            await self._problem(route, self.fail)
        elif url.path in self.broken:
            await self._problem(route, 500)
        elif self.key and self.authorizations[-1] != f"Bearer {self.key}":
            await self._problem(route, 403 if self.authorizations[-1] else 401)
        else:
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            await route.fulfill(json=self.answer(url.path, query))

    async def _problem(self, route: Route, status: int) -> None:
        problem: dict[str, Any] = {"type": "about:blank", "title": "Problem", "status": status}
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        problem["detail"] = f"answered {status}"
        await route.fulfill(status=status, json=problem, headers=headers)

    def answer(self, path: str, query: dict[str, str]) -> Json:
        """Make the document that the service would answer."""
        match path:
            case "/v1/metrics":
                answer = self.metrics
            case "/v1/metrics/per-minute":
                answer = self.minutes
            case "/v1/metrics/history":
                past = self.history or history(self.metrics)
                after = query.get("after", "")
                newer = [it for it in past["snapshots"] if it["as_of"] > after]
                answer = {**past, "snapshots": newer}
            case "/v1/metrics/page-views":
                pages = metrics(pages=self.more_pages)["page_views"]
                answer = {"as_of": self.metrics["as_of"], "page_views": pages}
            case "/v1/metrics/active-sessions":
                user = query["user_id"]
                answer = self.users.get(user) or user_sessions(user, 0, seen=None)
            case "/v1/rejections":
                answer = self.rejections
            case "/v1/events":
                wanted = query.get("user_id")
                found = [it for it in self.events["events"] if wanted in {None, it["user_id"]}]
                answer = {**self.events, "events": found[: int(query["limit"])]}
            case _:
                raise AssertionError(f"nobody answers {path}")
        return answer
