"""The way to the service: its address, the key, and whether it is there."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

KEY_VARIABLE = "FOOTFALL_KEY"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
LOOK_AGAIN = 0.5  # seconds


@dataclass(frozen=True, slots=True)
class Service:
    """Where the service is, and the key to it if it wants one."""

    url: str
    key: str | None = field(default=None, repr=False)

    def client(self, connections: int) -> httpx.AsyncClient:
        """Return a client of at most `connections` connections; the caller closes it."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.key}"} if self.key else {},
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            timeout=TIMEOUT,
            trust_env=httpx.URL(self.url).host not in LOOPBACK,  # no proxy to this very machine
        )


def service(url: str, key: str | None) -> Service:
    """Return the service at `url`; raise ValueError, which names no secret, if it cannot be one.

    Without a `key` the environment's FOOTFALL_KEY is taken: it does not show in a process list.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError("the URL cannot be read") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("the URL must start with http:// or https:// and name a host")
    if parsed.userinfo:
        raise ValueError(f"the URL must hold no password; put the key into {KEY_VARIABLE}")
    key = key or os.environ.get(KEY_VARIABLE) or None
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError("the key must be printable ASCII without spaces")
    return Service(url.rstrip("/"), key)


async def appears(http: httpx.AsyncClient, patience: float, say: Callable[[str], None]) -> bool:
    """Wait until the service answers at all, at most `patience` seconds; return whether it does."""
    waited = False
    try:
        async with asyncio.timeout(patience):
            while True:
                try:
                    await http.get("/livez")
                except httpx.RequestError:
                    if not waited:
                        say(f"waiting for {http.base_url} to answer")
                    waited = True
                    await asyncio.sleep(LOOK_AGAIN)
                else:
                    return True
    except TimeoutError:
        return False
