"""How a request with events is handled, whatever the format of its body."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request

from shared.http.auth import Scope
from shared.http.problems import INVALID_EVENTS, Problem
from shared.http.request_context import header
from shared.ingest.body import UNREAD, decompress, parse_body, read_body
from shared.ingest.validation import Sorted, sort_in_turns
from shared.resources import resources_of
from shared.schema import MAX_BATCH, Receipt
from shared.telemetry import LATE_EVENTS, REJECTIONS, events


@dataclass(frozen=True)
class Batch:
    """The values of a body that are to become events, and the index of each in the batch.

    `ignored` is how many others are not stored but count towards the rate limit. `translate`
    converts a value of another format to an event.
    """

    values: Sequence[object]
    places: Sequence[int]
    ignored: int = 0
    translate: Callable[[object], object] | None = None


async def take(
    request: Request, batch_of: Callable[[object], Batch]
) -> tuple[Receipt, int, dict[str, str]]:
    """Store every valid event durably; return the receipt, how many were ignored, and headers.

    `batch_of` finds the batch in the parsed body. Raise a problem where nothing is stored.
    """
    service = resources_of(request)
    client = service.keys.identify(request, Scope.WRITE)
    await service.clock_skew.check()
    await service.rate_limits.admit(client)
    size = 0
    try:
        body = await read_body(request, service.read_budget)
        size = UNREAD
        body = await decompress(body, request, service.turns)
        size = len(body)
        batch = batch_of(parse_body(body, header(request.scope, b"content-type")))
        places, ignored = batch.places, batch.ignored
        headers = await service.rate_limits.charge(client, len(places) + ignored)
    except Problem as problem:
        await service.rate_limits.fine(client, problem, size)
        raise
    await service.clock_skew.check()  # once more: the body may have been long on its way
    received_at = service.clock()
    found = await sort_in_turns(
        batch.values, received_at, service.new_id, service.turns, batch.translate
    )
    del batch  # parsed JSON can be 20 times its text; while MongoDB writes only the events stay
    stored = await service.event_log.append(found.events, size)
    await service.rejections.keep(found.refusals, received_at)
    errors = found.errors
    for error in errors:
        error.index = None if error.index is None else places[error.index]
    receipt = Receipt(
        received_at=received_at,
        accepted=len(stored),
        duplicate=len(found.events) - len(stored),
        late=sum("late" in event for event in stored),
        rejected=len(found.refusals),
        errors=errors,
    )
    _count(receipt, found)
    if found.refusals and not found.events:
        raise Problem(INVALID_EVENTS, _summary(found), errors=errors, headers=headers)
    return receipt, ignored, headers


def listed(values: object, wanted: str) -> list[object]:
    """Return the values of a batch of 1 to 1000, or raise a 422 problem that names what is."""
    if isinstance(values, list) and 1 <= len(values) <= MAX_BATCH:
        return values
    found = f"an array of {len(values)}" if isinstance(values, list) else "neither"
    raise Problem(INVALID_EVENTS, f"Send {wanted}; this is {found}", errors=[])


def _count(receipt: Receipt, found: Sorted) -> None:
    """Count the outcomes of one request."""
    events("accepted").inc(receipt.accepted)
    if receipt.duplicate:
        events("duplicate").inc(receipt.duplicate)
    if receipt.late:
        LATE_EVENTS.inc(receipt.late)
    if not receipt.rejected:
        return
    events("rejected").inc(receipt.rejected)
    reasons = Counter(refusal.errors[0].code for refusal in found.refusals)
    for code, refused in reasons.items():
        REJECTIONS.labels(code).inc(refused)


def _summary(found: Sorted) -> str:
    first = found.refusals[0].errors[0]
    refused = len(found.refusals)
    which = "The event was" if refused == 1 else f"All {refused} events were"
    return f"{which} refused; the first error: {first.detail}"
