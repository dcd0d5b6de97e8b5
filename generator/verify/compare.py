"""Hold answers of the service, as parsed JSON, against the bounds of every metric."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from generator.verify.ledger import milliseconds
from generator.verify.metrics import METRICS, MINUTE, OF_ONE_MINUTE, OF_ONE_USER, Count
from generator.verify.oracle import Oracle, Window

SHOWN = 3  # rows of a ranking that differ, and are told

Json: TypeAlias = Any  # a value of a document, not yet known to be what it should be
Document = Mapping[str, Json]
Differences = Iterator[str]


def compare(
    document: Document, oracle: Oracle, required: Sequence[str], limits: Mapping[str, int]
) -> Differences:
    """Yield the errors in those of METRICS that `document` has.

    The `required` ones must be present, and the rankings in `limits`, with that many rows at most.
    """
    at = milliseconds(document["as_of"])
    for section, window in {path.split(".")[0]: m.window for path, m in METRICS.items()}.items():
        if section in document:
            yield from _window(f"{section}.window_seconds", document[section], window)
    for path, metric in METRICS.items():
        section, name = path.split(".")
        found: Document = document.get(section, {})
        if name in found:
            bounds, rows = metric.bounds(oracle, at), getattr(metric, "rows", None)
            yield from _compare(path, found[name], bounds, rows, limits.get(path, 0))
        elif path in required or path in limits:
            yield f"{path} is missing"


def compare_user(document: Document, oracle: Oracle, limit: int) -> Differences:
    """Yield what is wrong with the sessions of one user, of which `limit` at most are listed."""
    at, user_id = milliseconds(document["as_of"]), document["user_id"]
    window = OF_ONE_USER["sessions"].window
    everybody = oracle.window(at - window, at, at)
    own = Window(*([e for e in events if e.user_id == user_id] for events in everybody))
    yield from _window(f"{user_id}.window_seconds", document, window)
    for name, metric in OF_ONE_USER.items():
        bounds = metric.within(own)
        yield from _compare(f"{user_id}.{name}", document[name], bounds, metric.rows, limit)
    for row in document["latest"]:
        session_id = row["session_id"]
        numbers = [sum(e.session_id == session_id for e in events) for events in own]
        yield from _number(f"{user_id}: events of {session_id}", row["events"], *numbers)


def compare_minutes(document: Document, oracle: Oracle, minutes: int) -> Differences:
    """Yield what is wrong with the events of the last `minutes` whole minutes."""
    at, rows = milliseconds(document["as_of"]), document["minutes"]
    running = at - at % MINUTE
    starts = [running - n * MINUTE for n in reversed(range(minutes))]
    if [milliseconds(row["minute"]) for row in rows] != starts:
        yield f"the minutes are not the last {minutes} in order"
        return
    for row, start in zip(rows, starts, strict=True):
        window = oracle.window(start - 1, start + MINUTE - 1, at)
        for name, metric in OF_ONE_MINUTE.items():
            yield from _compare(f"{row['minute']}.{name}", row[name], metric.within(window))
        complete = start != running
        yield from _compare(f"{row['minute']}.complete", row["complete"], (complete, complete))


def _compare(
    path: str,
    got: Json,
    bounds: tuple[Count, Count],
    rows: tuple[str, str] | None = None,
    limit: int = 0,
) -> Differences:
    match bounds:
        case int(), int():
            yield from _number(path, got, *bounds)
        case Counter() as least, Counter() as most if rows:
            ranking = [(row[rows[0]], _value(row[rows[1]])) for row in got]
            yield from _ranking(path, ranking, least, most, limit)
        case Counter() as least, Counter() as most:
            for name in sorted(got.keys() | least.keys()):
                yield from _number(f"{path}.{name}", got.get(name, 0), least[name], most[name])


def _ranking(
    path: str, rows: list[tuple[str, int]], least: Counter[str], most: Counter[str], limit: int
) -> Differences:
    """Compare a list of the `limit` largest, ties by name; its numbers only, where any is open."""
    if least != most:
        for name, number in rows:
            yield from _number(f"{path}: {name}", number, least[name], most[name])
        return
    expected = sorted(least.items(), key=lambda row: (-row[1], row[0]))[:limit]
    if len(rows) != len(expected):
        yield f"{path} has {len(rows)} rows, should have {len(expected)}"
    different = [pair for pair in zip(rows, expected, strict=False) if pair[0] != pair[1]]
    for row, should in different[:SHOWN]:
        yield f"{path} has {row}, should have {should}"
    if len(different) > SHOWN:
        yield f"{path}: {len(different) - SHOWN} more rows differ"


def _window(path: str, document: Document, window: int) -> Differences:
    yield from _number(path, document["window_seconds"], window // 1000, window // 1000)


def _number(path: str, got: Json, least: int, most: int) -> Differences:
    value = _value(got)
    if not least <= value <= most:
        should = f"{least:,}" if least == most else f"from {least:,} to {most:,}"
        away = value - (least if value < least else most)
        yield f"{path} is {value:,}, should be {should} ({away:+,})"


def _value(got: Json) -> int:
    """Return a number as it is, an instant as milliseconds, and no instant as 0."""
    if isinstance(got, int):
        return got
    return 0 if got is None else milliseconds(got)
