"""A service whose answers the test decides; the page is the real one."""

import re
from collections import Counter
from typing import Any
from urllib.parse import unquote, urlsplit

from playwright.async_api import Page, Route
from pydantic import BaseModel

from tests.frontend.answers import history, metrics, rejections, user_sessions


class FakeApi:
    """Answers `/v1/…` of one page. `fail` (a status, "gone" or "silent") fails all."""

    def __init__(self) -> None:
        self.metrics = metrics()
        self.history: BaseModel | None = None
        self.rejections: BaseModel = rejections()
        self.users = {"usr_789": 7}
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
            body = self._body(url.path).model_dump_json()
            await route.fulfill(body=body, content_type="application/json")

    async def _problem(self, route: Route, status: int) -> None:
        problem: dict[str, Any] = {"type": "about:blank", "title": "Problem", "status": status}
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        problem["detail"] = f"answered {status}"
        await route.fulfill(status=status, json=problem, headers=headers)

    def _body(self, path: str) -> BaseModel:
        if path == "/v1/metrics":
            return self.metrics
        if path == "/v1/metrics/history":
            return self.history or history(self.metrics)
        if path == "/v1/rejections":
            return self.rejections
        user = unquote(path.removeprefix("/v1/metrics/active-sessions/"))
        return user_sessions(user, self.users.get(user, 0))
