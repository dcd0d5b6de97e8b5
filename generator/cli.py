"""The command line."""

import asyncio
import sys
from collections.abc import Sequence

import httpx

from generator.claims import ClaimError
from generator.jobs import replay_job, shop_job
from generator.options import check_replay, plan_of, send_parser, verify_parser
from generator.run import Sending
from generator.service import service
from generator.session import Exit, session
from generator.verify import verify


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    try:
        if arguments and arguments[0] == "verify":
            return asyncio.run(_verify(arguments[1:]))
        return asyncio.run(_send(arguments))
    except KeyboardInterrupt:  # while waiting for the service
        return Exit.DELIVERED
    except (OSError, ValueError) as error:  # a file, an address or a key that will not do
        print(f"python -m generator: {error}", file=sys.stderr)
        return Exit.USAGE


async def _send(arguments: Sequence[str]) -> Exit:
    options = send_parser().parse_args(arguments)
    target = service(options.url, options.key)
    if options.replay is None:
        job = shop_job(plan_of(options), options.expect)
    else:
        check_replay(options)
        job = replay_job(options.replay, options.rate, to_now=options.to_now)
    paced = options.replay is None or options.rate is not None
    return await session(target, Sending(options.batch, options.concurrency, paced), job)


async def _verify(arguments: Sequence[str]) -> Exit:
    options = verify_parser().parse_args(arguments)
    try:
        right = await verify(service(options.url, options.key), options.files, print)
    except (ClaimError, httpx.RequestError) as error:
        raise ValueError(f"cannot compare: {error or type(error).__name__}") from error
    return Exit.DELIVERED if right else Exit.LOST_OR_REFUSED
