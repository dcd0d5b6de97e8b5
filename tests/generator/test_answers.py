import json
from datetime import UTC, datetime

import pytest

from generator.answers import Hopeless, Refused, Split, Taken, TryAgain, Verdict, judge
from shared.schema import FieldError, Receipt

RECEIVED = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
RECEIPT = Receipt(received_at=RECEIVED, accepted=2, duplicate=1, late=0, rejected=0, errors=[])
ERROR = FieldError(index=0, pointer="/user_id", code="missing", detail="…")
DATE = {"date": "Sun, 22 Nov 2026 14:30:00 GMT"}


def problem(tag: str, errors: list[FieldError] | None = None) -> bytes:
    found = [error.model_dump() for error in errors or []]
    document = {"type": f"urn:x:{tag}", "title": tag, "status": 0, "detail": "", "errors": found}
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("status", "headers", "body", "verdict"),
    [
        (202, {}, RECEIPT.model_dump_json().encode(), Taken(RECEIPT)),
        (202, {}, b"<h1>Welcome</h1>", TryAgain("garbage")),
        (202, {}, b"{}", TryAgain("garbage")),
        (202, {}, RECEIPT.model_copy(update={"late": 9}).model_dump_json().encode(), None),
        (200, {}, b"ok", TryAgain("garbage (200)")),
        (429, {"retry-after": "3"}, b"", TryAgain("429", 3.0, maybe_stored=False)),
        (429, {}, problem("batch-exceeds-limit"), Split("429 for good", lasting=True)),
        (503, {"retry-after": "2"}, problem("overloaded"), TryAgain("503", 2.0)),
        (503, {"retry-after": "1e9"}, b"", TryAgain("503", 60.0)),
        (503, {"retry-after": "-1"}, b"", TryAgain("503", 0.0)),
        (503, {"retry-after": "nan"}, b"", TryAgain("503", None)),
        (503, {"retry-after": "Sun, 22 Nov 2026 14:30:00 GMT"}, b"", TryAgain("503", None)),
        (500, {}, b"", TryAgain("500")),
        (408, {}, b"", TryAgain("408")),
        (413, {}, problem("too-large"), Split("413", lasting=False)),
        (400, {}, problem("bad-json"), Split("400", lasting=False)),
        (422, DATE, problem("invalid-events", [ERROR]), Refused("422", [ERROR], RECEIVED)),
        (422, {}, b"", Refused("422", [], None)),
        (401, {}, problem("\x1b[2J"), Hopeless(r"the service answers 401: '\x1b[2J'")),
        (404, {}, b"", Hopeless("the service answers 404, and not as Footfall would")),
        (302, {}, b"", Hopeless("the service answers 302, and not as Footfall would")),
    ],
)
def test_what_an_answer_means(
    status: int, headers: dict[str, str], body: bytes, verdict: Verdict | None
) -> None:
    got = judge(status, headers, body, events=3)
    assert got == verdict or (verdict is None and isinstance(got, Taken))


def test_a_receipt_of_other_events_is_not_believed() -> None:
    assert judge(202, {}, RECEIPT.model_dump_json().encode(), 4) == TryAgain("wrong count")
