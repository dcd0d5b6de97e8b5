"""The tries to deliver one batch."""

from dataclasses import dataclass


@dataclass(slots=True)
class Attempts:
    """When one batch was sent and answered, in monotonic seconds."""

    first_sent: float | None = None  # None until it is sent
    last_sent: float = 0.0
    answered: float = 0.0
    unanswered: int = 0  # tries that may have stored events without saying so

    @property
    def last_took(self) -> float:
        """Seconds from sending it the last time to the answer."""
        return self.answered - self.last_sent

    @property
    def all_took(self) -> float:
        """Seconds from sending it the first time to the answer."""
        return self.answered - (self.last_sent if self.first_sent is None else self.first_sent)
