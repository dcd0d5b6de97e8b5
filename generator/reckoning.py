"""Whether the service made of a batch what it should have."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from generator.outgoing import Batch, Role
from shared.schema import FieldError


@dataclass(slots=True)
class Reckoning:
    """What became of the events of one answered request."""

    stored: list[Mapping[str, object]] = field(default_factory=list)  # those that were new
    copies: int = 0
    rejected: int = 0  # malformed and refused, as they should be
    leaked: int = 0  # malformed and taken all the same
    refused: Counter[str] = field(default_factory=Counter)  # valid and yet refused, by reason
    certain: bool = True  # False where the answer leaves open which events it refused


def reckon(batch: Batch, rejected: int, errors: Sequence[FieldError]) -> Reckoning:
    """Compare the `rejected` events, named by index in `errors`, with what should be refused."""
    codes: dict[int | None, str] = {error.index: error.code for error in reversed(errors)}
    malformed = {i for i, outgoing in enumerate(batch) if outgoing.role is Role.MALFORMED}
    certain = rejected == len(codes)
    if not certain and rejected == len(malformed):  # a shortened list of the expected ones
        codes = dict.fromkeys(malformed, "")
        certain = True
    reckoning = Reckoning(certain=certain)
    if not certain:
        reckoning.refused["unnamed"] = max(rejected - len(codes), 0)
    for index, (event, role) in enumerate(batch):
        if index in codes:
            if role is Role.MALFORMED:
                reckoning.rejected += 1
            else:
                reckoning.refused[codes[index]] += 1
        elif role is Role.NEW:
            reckoning.stored.append(event)
        elif role is Role.COPY:
            reckoning.copies += 1
        else:
            reckoning.leaked += 1
    return reckoning


def reckon_refusal(batch: Batch, reason: str, errors: Sequence[FieldError]) -> Reckoning:
    """Reckon a request that was refused as a whole."""
    named = {error.index for error in errors}
    spread = [
        FieldError(index=i, pointer="", code=reason, detail="")
        for i in range(len(batch))
        if i not in named
    ]
    return reckon(batch, len(batch), [*errors, *spread])
