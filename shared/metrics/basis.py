"""What an answer rests on: a chain of rollups, and the slices of what arrived after the newest."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from shared.metrics.rollups import AUDITED, Rollup, disagreeing, linked, published
from shared.metrics.slices import Slice, linked_slices, published_slices
from shared.storage.database import Database
from shared.windows import ACTIVE, LONGEST


@dataclass(frozen=True)
class Basis:
    """Every arrival of some windows, up to `until`, counted; what came later is raw events."""

    chain: list[Rollup]  # newest first; each begins where the next one ends
    slices: list[Slice]  # oldest first; the first begins where the newest rollup ends

    @property
    def newest(self) -> Rollup:
        """The rollup whose state counts."""
        return self.chain[0]

    @property
    def state(self) -> list[ObjectId]:
        """The owners of its parts."""
        return self.newest.state or []

    @property
    def until(self) -> datetime:
        """When the last event that is counted arrived."""
        return self.slices[-1].until if self.slices else self.newest.until


async def basis_at(database: Database, at: datetime) -> Basis | None:
    """Give what has been counted of every arrival of the windows at `at`, if all of it is there.

    A chain that has a gap or is too old serves nobody. Whether all of it is `sound` is not looked
    at here.
    """
    rollups, slices = await asyncio.gather(published(database, at), published_slices(database, at))
    return _serving(linked(rollups, at - LONGEST), slices, at)


async def sound(database: Database, basis: Basis, at: datetime) -> Basis | None:
    """Give the part of a basis at `at` that is short of no event that has landed behind it."""
    newest_first = [*reversed(basis.slices), *basis.chain]
    wrong = await disagreeing(database, newest_first, basis.newest.until - AUDITED)
    if not wrong:
        return basis
    first = min(counted.since for counted in wrong)
    return _serving(
        [rollup for rollup in basis.chain if rollup.until <= first],
        [some for some in basis.slices if some.until <= first],
        at,
    )


def _serving(chain: list[Rollup], slices: Sequence[Slice], at: datetime) -> Basis | None:
    if not chain or chain[-1].since > at - LONGEST:
        return None
    if not chain[0].state or chain[0].until <= at - ACTIVE:
        return None
    return Basis(chain, linked_slices(slices, chain[0].until))
