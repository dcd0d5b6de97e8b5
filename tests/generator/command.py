"""`python -m generator` as its own process."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Outcome:
    status: int
    out: str
    err: str


@contextlib.asynccontextmanager
async def started(*arguments: object, **environment: str) -> AsyncIterator[Process]:
    """Start the generator; it is gone at the end, whatever happens."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "generator", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "FOOTFALL_KEY": "", **environment},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def outcome(process: Process) -> Outcome:
    """Wait for the end, at most a minute."""
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), err.decode())


async def generator(*arguments: object, **environment: str) -> Outcome:
    """Run the generator to its end."""
    async with started(*arguments, **environment) as process:
        return await outcome(process)
