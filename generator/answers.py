"""What an answer to `POST /v1/events` means for the events of the request."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from pydantic import ValidationError

from shared.http.problems import ProblemDocument
from shared.schema import FieldError, Receipt

SPLIT_ON = "batch-exceeds-limit"  # the end of the problem type of a batch that can never pass
MAX_RETRY_AFTER = 60.0  # seconds; whatever a proxy says, look again after a minute


@dataclass(frozen=True, slots=True)
class Taken:
    """The service took the request; the receipt says what became of its events."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Refused:
    """No event was valid, or the request was not. Sending it again would change nothing."""

    reason: str
    errors: list[FieldError]
    answered_on: datetime | None  # the server's clock, to the second


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Send it again, after `seconds` if the service says so."""

    reason: str
    seconds: float | None = None
    maybe_stored: bool = True  # may some of it have been stored all the same?


@dataclass(frozen=True, slots=True)
class Split:
    """Send it in parts: it is too large, or something in it spoils the rest."""

    reason: str
    lasting: bool  # will later requests of as many events fare the same?


@dataclass(frozen=True, slots=True)
class Hopeless:
    """No request will pass: a wrong key, a wrong address."""

    reason: str


Verdict = Taken | Refused | TryAgain | Split | Hopeless


def judge(status: int, headers: Mapping[str, str], body: bytes, events: int) -> Verdict:
    """Return what the answer to a request of `events` events means for them."""
    if status == 202:
        return _read_receipt(body, events)
    if status in {408, 425, 429} or status >= 500:
        return _read_delay(status, headers, _read_problem(body))
    if status < 300:
        return TryAgain(f"garbage ({status})")
    return _read_refusal(status, headers, _read_problem(body))


def _read_delay(
    status: int, headers: Mapping[str, str], problem: ProblemDocument | None
) -> Verdict:
    if status == 429 and problem is not None and problem.type.endswith(SPLIT_ON):
        return Split("429 for good", lasting=True)
    return TryAgain(str(status), _retry_after(headers), maybe_stored=status not in {425, 429})


def _read_refusal(
    status: int, headers: Mapping[str, str], problem: ProblemDocument | None
) -> Verdict:
    if status in {400, 413}:
        return Split(str(status), lasting=False)
    if status in {415, 422}:
        return Refused(str(status), (problem and problem.errors) or [], _date(headers))
    return Hopeless(_describe(status, problem))


def _read_receipt(body: bytes, events: int) -> Verdict:
    try:
        receipt = Receipt.model_validate_json(body)
    except ValidationError:
        return TryAgain("garbage")
    if receipt.accepted + receipt.duplicate + receipt.rejected != events:
        return TryAgain("wrong count")
    return Taken(receipt)


def _read_problem(body: bytes) -> ProblemDocument | None:
    try:
        return ProblemDocument.model_validate_json(body)
    except ValidationError:
        return None


def _describe(status: int, problem: ProblemDocument | None) -> str:
    if problem is None:
        return f"the service answers {status}, and not as Footfall would"
    return f"the service answers {status}: {problem.title[:200]!a}"


def _date(headers: Mapping[str, str]) -> datetime | None:
    try:
        return parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of `Retry-After`; None where it is absent or a date."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if math.isfinite(seconds) else None
