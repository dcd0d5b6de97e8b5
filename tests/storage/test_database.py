"""The client's end, whatever becomes of it."""

import asyncio
from typing import Any, cast

import pytest

from shared import deadlines
from shared.storage.database import Client, disconnect

pytestmark = pytest.mark.anyio


class Stuck:
    """A client that waits for a lock which nobody will release."""

    was_left = False

    async def close(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.was_left = True


async def test_a_client_that_does_not_close_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "CLOSE", 0.01)
    client: Any = Stuck()
    await disconnect(cast("Client", client))
    assert client.was_left
