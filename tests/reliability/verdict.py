"""What was acknowledged and shown, held against what MongoDB holds: one row of the table."""

import bisect
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx
import pymongo
from pymongo.read_concern import ReadConcern

from shared.deadlines import LANDED, READ
from tests.oracle import expected_metrics, shown_metrics
from tests.reliability.load import Account, Seen

DATABASE: Final = "footfall"
FRESH: Final = 2.0  # seconds after which an acknowledged event must be in every answer
WRITE_BOUND: Final = LANDED  # seconds in which a request to write is answered
READ_BOUND: Final = READ  # and one to read
MARGIN: Final = 2.0  # seconds, for two busy cores
RECOVERY_BOUND: Final = 15.0
STOP_BOUND: Final = 10.0
LIMIT: Final = 100  # rows of each ranking
PATIENCE: Final = 60.0  # seconds in which the metrics must be right again, before it is given up

Stored = list[dict[str, Any]]


@dataclass
class Row:
    """The outcome of one experiment; times in seconds."""

    what: str
    acknowledged: int = 0
    missing: int = 0
    twice: int = 0
    answers: int = 0  # of the viewers, each held against what was acknowledged and stored
    wrong: int = 0  # of those and of the answers asked for at the end
    equal_after: float | None = None  # from the last acknowledgement
    recovery: float | None = None
    write: float = 0.0
    read: float = 0.0
    note: str = ""
    broken: list[str] = field(default_factory=list)
    is_possible: bool = True

    def require(self, name: str, *, holds: bool) -> None:
        """Note a promise that does not hold."""
        if not holds:
            self.broken.append(name)


def impossible(what: str, why: str) -> Row:
    """Return the row of an experiment that this machine does not allow."""
    return Row(what, note=f"not possible here: {why}", is_possible=False)


def judge(
    row: Row,
    account: Account,
    uri: str,
    url: str,
    recovery: float | None,
    frozen: float = 0.0,
) -> Row:
    """Fill in a row once the load has ended. `frozen` is for how long the service itself was."""
    ended = time.time()
    row.recovery = recovery
    row.write, row.read = account.longest_write, account.longest_read
    row.acknowledged = len(account.acknowledged)
    events, _ = stored(uri)
    found = Counter(event["properties"]["sent_as"] for event in events)
    row.missing = len(account.acknowledged.keys() - found.keys())
    row.twice = sum(count > 1 for count in found.values())
    row.answers = len(account.seen)
    row.wrong = wrong_answers(account, events)
    row.equal_after = until_equal(row, uri, url, ended)
    row.require("acknowledged and missing", holds=row.missing == 0)
    row.require("stored twice", holds=row.twice == 0)
    row.require("never answered", holds=not account.unanswered)
    row.require("metrics never equal", holds=row.equal_after is not None)
    row.require("wrong answers", holds=row.wrong == 0)
    is_back = recovery is not None and recovery < RECOVERY_BOUND
    row.require("time to recover", holds=is_back)
    row.require("a write's time", holds=row.write < WRITE_BOUND + MARGIN + frozen)
    row.require("a read's time", holds=row.read < READ_BOUND + MARGIN + frozen)
    others = {answer for answer in account.answers if not is_expected(answer)}
    row.require(f"answers: {', '.join(sorted(others))}", holds=not others)
    return row


def is_expected(answer: str) -> bool:
    """Return whether a client that sends again may meet this: its connection broke, or try later.

    408 comes where the service was frozen while a body was on its way.
    """
    return answer[:3] in {"202", "408", "503"} or answer in {
        "ConnectError",
        "ReadError",
        "WriteError",
        "RemoteProtocolError",
    }


def stored(uri: str) -> tuple[Stored, Stored]:
    """Return the events and rejections that a majority holds."""
    with pymongo.MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        database = client.get_database(DATABASE, read_concern=ReadConcern("majority"))
        return list(database.events.find({})), list(database.rejections.find({}))


def wrong_answers(account: Account, events: Stored) -> int:
    """Count the viewers' answers that are not between what was acknowledged and what is stored.

    All of the load, and of what came before it in the same experiment, is in the window of a
    quarter of an hour, but what is late.
    """
    arrived, before = [], 0
    for event in events:
        if "late" not in event:
            arrived.append(event["received_at"])
            before += event["properties"]["sent_as"] not in account.acknowledged
    arrived.sort()
    taken = sorted(at for name, at in account.acknowledged.items() if not name.endswith(".late"))
    return sum(not _is_right(seen, before, taken, arrived) for seen in account.seen)


def _is_right(seen: Seen, before: int, taken: Sequence[float], arrived: Sequence[datetime]) -> bool:
    least = before + bisect.bisect_right(taken, seen.asked - FRESH)
    most = bisect.bisect_right(arrived, seen.as_of)
    return least <= seen.events <= most


def until_equal(row: Row, uri: str, url: str, ended: float) -> float | None:
    """Ask for every metric until all are equal; return the seconds since the load ended."""
    time.sleep(max(0.0, ended + FRESH - time.time()))
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
        while time.time() < ended + PATIENCE:
            asked = time.time()
            shown = ask(http)
            if shown:
                expected = expected_metrics(*_at(uri, shown.pop("as_of")))
                for ranking in ("pages", "users"):
                    expected[ranking] = expected[ranking][:LIMIT]
                if shown == expected:
                    return asked - ended
                row.wrong += 1
                different = {key for key in expected if shown[key] != expected[key]}
                row.note += f" {asked - ended:.0f} s: {', '.join(sorted(different))};"
            time.sleep(1)
    return None


def _at(uri: str, as_of: datetime) -> tuple[Stored, datetime, Stored]:
    events, rejections = stored(uri)
    return events, as_of, rejections


def ask(http: httpx.Client) -> dict[str, Any] | None:
    """Return every metric with its rankings and `as_of`, all of one instant; None: not now."""
    parts = []
    for path in ("", f"/page-views?limit={LIMIT}", f"/active-sessions?limit={LIMIT}"):
        answer = http.get(f"/v1/metrics{path}")
        if answer.status_code != 200:
            return None
        parts.append(answer.json())
    if len({part["as_of"] for part in parts}) > 1:
        return None
    return shown_metrics(*parts) | {"as_of": datetime.fromisoformat(parts[0]["as_of"])}
