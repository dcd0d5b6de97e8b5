"""Hold an answer of the service against what the oracle expects at its instant."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from generator.ledger import milliseconds
from generator.oracle import ACTIVE, VIEWS, Expectation
from shared.schema import (
    ActiveSessions,
    ActiveSessionTotals,
    ActiveUsers,
    EventCounts,
    PageViews,
    PageViewTotals,
    UserSessionsAnswer,
)

MOST_SESSIONS = 100  # of one user that are listed
SHOWN = 3  # rows of a list that differ, and are told

Differences = Iterator[str]


def compare_active_users(got: ActiveUsers, must: Expectation) -> Differences:
    """Yield what is wrong with the number of active users."""
    yield from _window("active_users", got.window_seconds, ACTIVE)
    least, most = len(must.least.sessions), len(must.most.sessions)
    yield from _number("active_users.count", got.count, least, most)


def compare_page_views(
    got: PageViews | PageViewTotals, must: Expectation, limit: int = 0
) -> Differences:
    """Yield what is wrong with page views; `limit` is how many pages at most were asked for."""
    least, most = must.least.pages, must.most.pages
    yield from _window("page_views", got.window_seconds, VIEWS)
    yield from _number("page_views.total", got.total, least.total(), most.total())
    yield from _number("page_views.pages", got.pages, len(least), len(most))
    if isinstance(got, PageViews):
        rows = [(row.page_url, row.views) for row in got.top]
        yield from _ranking("page_views.top", rows, least, most, limit)


def compare_active_sessions(
    got: ActiveSessions | ActiveSessionTotals, must: Expectation, limit: int = 0
) -> Differences:
    """Yield what is wrong with active sessions; `limit` is how many users were asked for."""
    least, most = _per_user(must.least.sessions), _per_user(must.most.sessions)
    yield from _window("active_sessions", got.window_seconds, ACTIVE)
    yield from _number("active_sessions.total", got.total, least.total(), most.total())
    if must.exact:
        for name, users in _spread(least).items():
            number = getattr(got.spread, name)
            yield from _number(f"active_sessions.spread.{name}", number, users, users)
    if isinstance(got, ActiveSessions):
        rows = [(row.user_id, row.sessions) for row in got.users]
        yield from _ranking("active_sessions.users", rows, least, most, limit)


def compare_events(got: EventCounts, must: Expectation) -> Differences:
    """Yield what is wrong with events by type, and late and rejected ones."""
    least, most = must.least.types, must.most.types
    yield from _window("events", got.window_seconds, VIEWS)
    yield from _number("events.total", got.total, least.total(), most.total())
    yield from _number("events.types", got.types, len(least), len(most))
    for name in sorted(got.by_type.keys() | least.keys()):
        number = got.by_type.get(name, 0)
        yield from _number(f"events.by_type.{name}", number, least[name], most[name])
    yield from _number("events.late", got.late, *must.late)
    yield from _number("events.rejected", got.rejected, *must.rejected)


def compare_user(got: UserSessionsAnswer, must: Expectation) -> Differences:
    """Yield what is wrong with the sessions of one user, whom `must` watches."""
    least = must.least.sessions.get(got.user_id, set())
    most = must.most.sessions.get(got.user_id, set())
    yield from _window(got.user_id, got.window_seconds, ACTIVE)
    yield from _number(f"{got.user_id}.sessions", got.sessions, len(least), len(most))
    if must.exact:
        yield from _sessions(got, must.least.activity)


def _sessions(got: UserSessionsAnswer, activity: Mapping[str, tuple[int, int, int]]) -> Differences:
    """Compare the sessions of a user one by one, and their order: newest first, ties by id."""
    name = f"{got.user_id}.latest"
    listed = min(len(activity), MOST_SESSIONS)
    yield from _number(f"rows of {name}", len(got.latest), listed, listed)
    order = [(-milliseconds(row.last_event_at), row.session_id) for row in got.latest]
    if order != sorted(order):
        yield f"{name} is out of order"
    for row in got.latest:
        events, earliest, latest = activity.get(row.session_id, (0, 0, 0))
        yield from _number(f"{name}: events of {row.session_id}", row.events, events, events)
        last = milliseconds(row.last_event_at)
        yield from _number(f"{name}: last_event_at of {row.session_id}", last, earliest, latest)


def _window(name: str, seconds: int, length: int) -> Differences:
    if seconds * 1000 != length:
        yield f"{name}.window_seconds is {seconds}, should be {length // 1000}"


def _number(name: str, got: int, least: int, most: int) -> Differences:
    if not least <= got <= most:
        should = f"{least:,}" if least == most else f"from {least:,} to {most:,}"
        yield f"{name} is {got:,}, should be {should} ({got - (least if got < least else most):+,})"


def _ranking(
    name: str,
    got: list[tuple[str, int]],
    least: Counter[str],
    most: Counter[str],
    limit: int,
) -> Differences:
    """Compare a list of the `limit` largest, ties by name; its numbers only, where any is open."""
    if least == most:
        ranked = sorted(least.items(), key=lambda row: (-row[1], row[0]))
        yield from _rows(name, got, ranked[:limit])
        return
    for row, number in got:
        yield from _number(f"{name}: {row}", number, least[row], most[row])


def _rows(name: str, got: Iterable[object], expected: Iterable[object]) -> Differences:
    got, expected = list(got), list(expected)
    if len(got) != len(expected):
        yield f"{name} has {len(got)} rows, should have {len(expected)}"
    different = [pair for pair in zip(got, expected, strict=False) if pair[0] != pair[1]]
    for row, should in different[:SHOWN]:
        yield f"{name} has {row}, should have {should}"
    if len(different) > SHOWN:
        yield f"{name}: {len(different) - SHOWN} more rows differ"


def _per_user(sessions: Mapping[str, set[str]]) -> Counter[str]:
    return Counter({user: len(ids) for user, ids in sessions.items() if ids})


def _spread(per_user: Counter[str]) -> dict[str, int]:
    numbers = Counter(min(number, 3) for number in per_user.values())
    return {"one": numbers[1], "two": numbers[2], "three_or_more": numbers[3]}
