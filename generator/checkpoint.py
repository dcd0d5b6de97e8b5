"""How far a replay has got, kept beside its file until it is through."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from generator.outgoing import Batch, Deliver

SAVE_EVERY = 1.0  # seconds


@dataclass(slots=True)
class Place:
    """A place in a file of events, and what must stay the same when the replay goes on there."""

    size: int  # of the file, in bytes
    modified: int  # ns
    answered: int = 0  # events from the start of the file, without a gap
    run: str = ""  # makes the ids of events that have none; empty until the first beginning
    shift: float = 0.0  # seconds added to every timestamp


class Checkpoint:
    """Keeps the place of the replay of `path` in a file of the same name with `.resume`."""

    def __init__(self, path: Path, monotonic: Callable[[], float]) -> None:
        self._file = path.with_name(f"{path.name}.resume")
        self._monotonic = monotonic
        self._saved_at = 0.0
        self._open: set[int] = set()  # where the batches begin that are not yet answered for
        self.place = self._read(Place(path.stat().st_size, path.stat().st_mtime_ns))
        self._handed = self.place.answered

    def noting(self, deliver: Deliver) -> Deliver:
        """Return `deliver` with a note of the place when a batch is answered for.

        The calls must begin in the order of the file; they may end in any.
        """

        async def deliver_and_note(batch: Batch) -> None:
            start = self._handed
            self._handed += len(batch)
            self._open.add(start)
            await deliver(batch)
            self._open.remove(start)
            self.place.answered = min(self._open, default=self._handed)
            if self._monotonic() - self._saved_at >= SAVE_EVERY:
                self.save()

        return deliver_and_note

    def save(self) -> None:
        """Write the place down, whole or not at all."""
        self._saved_at = self._monotonic()
        draft = self._file.with_name(f"{self._file.name}.new")
        draft.write_text(json.dumps(asdict(self.place)) + "\n", encoding="utf-8")
        draft.replace(self._file)

    def close(self, total: int) -> None:
        """Keep the place for the next time, or forget it if all `total` events are answered for."""
        if self.place.answered < total:
            self.save()
        else:
            self._file.unlink(missing_ok=True)

    def _read(self, fresh: Place) -> Place:
        try:
            place = Place(**json.loads(self._file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return fresh
        except (TypeError, ValueError):
            raise ValueError(f"{self._file} cannot be read; delete it to start over") from None
        if (place.size, place.modified) != (fresh.size, fresh.modified):
            raise ValueError(f"the file changed since {self._file}; delete that to start over")
        return place
