"""The status of a run as it goes: one line that rewrites itself, or a line now and then."""

import asyncio
import shutil
from typing import TextIO

from generator.progress import Progress

ON_TERMINAL = 0.5  # seconds between updates
ELSEWHERE = 10.0


class Display:
    """Writes to `stream`; on a terminal the status stays on one line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()

    def say(self, line: str) -> None:
        """Write a line that stays."""
        self._stream.write(f"\r\x1b[K{line}\n" if self._terminal else f"{line}\n")
        self._stream.flush()

    async def follow(self, progress: Progress) -> None:
        """Show the status until cancelled."""
        while True:
            await asyncio.sleep(ON_TERMINAL if self._terminal else ELSEWHERE)
            self.show(progress.status())

    def show(self, status: str) -> None:
        """Write the status of the moment."""
        if not self._terminal:
            self.say(status)
            return
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[K{status[:width]}")
        self._stream.flush()
