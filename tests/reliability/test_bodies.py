"""Bodies that are small to send and large to read; a good client is served beside them."""

import pytest

from tests.reliability.attacks import (
    BROKEN_LINES,
    CONTAINERS,
    EMPTY_MEMBERS,
    MANY_ERRORS,
    Until,
    bodies,
)
from tests.reliability.target import Target

JSON = b"Content-Type: application/json"
NDJSON = b"Content-Type: application/x-ndjson"
GZIP = b"Content-Encoding: gzip"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(BROKEN_LINES, [NDJSON, GZIP], id="broken lines"),
        pytest.param(EMPTY_MEMBERS, [JSON, GZIP], id="empty gzip members"),
        pytest.param(CONTAINERS, [JSON], id="nested arrays"),
        pytest.param(MANY_ERRORS, [JSON], id="40,000 wrong fields"),
    ],
)
def test_a_body_holds_nobody_up(target: Target, body: bytes, headers: list[bytes]) -> None:
    def attack(url: str, until: Until) -> None:
        bodies(url, until, body, *headers)

    target.assert_unnoticed(attack, times=4)
    target.assert_clean_log()
