"""Read a file of events, a JSON array or NDJSON, a piece at a time."""

import json
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NoReturn, TextIO

PIECE = 1 << 16  # characters
LONGEST = 1 << 20  # characters of one event; the service takes no more in a whole request
_BETWEEN = re.compile(r"[\s,]*")

JsonObject = dict[str, object]


def read_events(path: Path) -> Iterator[JsonObject]:
    """Yield the events of the file; hold no more of it than one event and one piece.

    Raises OSError, or ValueError that tells which event is none.
    """
    with path.open(encoding="utf-8-sig") as file:
        is_array = file.read(PIECE).lstrip().startswith("[")
        file.seek(0)
        for number, value in enumerate(_array(file) if is_array else _lines(file), 1):
            if not isinstance(value, dict):
                _complain(file, number)
            yield value


def _array(file: TextIO) -> Iterator[object]:
    decode = json.JSONDecoder().raw_decode
    text = file.read(PIECE)
    position = text.index("[") + 1
    for number in count(1):
        while True:
            position = _end_of(text, position)
            if text.startswith("]", position):
                return
            try:
                value, position = decode(text, position)
                break
            except (ValueError, RecursionError):
                text, position = text[position:], 0
                more = file.read(PIECE)
                if not more or len(text) > LONGEST:
                    _complain(file, number)
                text += more
        yield value


def _end_of(text: str, position: int) -> int:
    """Return where the white space and commas at `position` end."""
    found = _BETWEEN.match(text, position)
    return found.end() if found else position


def _lines(file: TextIO) -> Iterator[object]:
    lines = (line for line in iter(lambda: file.readline(LONGEST), "") if line.strip())
    for number, line in enumerate(lines, 1):
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            _complain(file, number)


def _complain(file: TextIO, number: int) -> NoReturn:
    raise ValueError(f"event {number} of {file.name} is no JSON object") from None
