"""The table that is printed, in Markdown."""

from collections.abc import Sequence
from typing import Final

from tests.reliability.verdict import Row

HEADER: Final = (
    "| | acknowledged | missing | stored twice | viewers' answers | wrong | equal after | back in "
    "| longest write | longest read | |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|"
)


def line(row: Row) -> str:
    """Return a row."""
    if not row.is_possible:
        return f"| {row.what} |" + " – |" * 9 + f" {row.note} |"
    verdict = f"**BROKEN: {'; '.join(row.broken)}**" if row.broken else "held"
    cells = [
        row.what,
        f"{row.acknowledged:,}",
        f"{row.missing}",
        f"{row.twice}",
        f"{row.answers:,}",
        f"{row.wrong}",
        _seconds(row.equal_after),
        _seconds(row.recovery),
        _seconds(row.write),
        _seconds(row.read),
        f"{verdict}{'; ' if row.note else ''}{row.note.strip().rstrip(';')}",
    ]
    return f"| {' | '.join(cells)} |"


def footer(rows: Sequence[Row]) -> str:
    """Return the sum of all rows."""
    done = [row for row in rows if row.is_possible]
    broken = [row.what for row in done if row.broken]
    total = sum(row.acknowledged for row in done)
    missing, twice = sum(row.missing for row in done), sum(row.twice for row in done)
    verdict = f"broken: {', '.join(broken)}" if broken else "every promise held"
    impossible = len(rows) - len(done)
    return (
        f"{len(done)} experiments ({impossible} not possible here), {total:,} events acknowledged, "
        f"{missing} missing, {twice} stored twice: {verdict}"
    )


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"
