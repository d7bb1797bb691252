"""What both acts have in common for whoever starts them: numbers, an orderly end, exit statuses."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Final

from examples.ticket_triage.model_process import ModelError

if TYPE_CHECKING:
    from collections.abc import Coroutine

KEPT: Final = 0
BROKEN: Final = 1
CANNOT_RUN: Final = 2
INTERRUPTED: Final = 130
TERMINATED: Final = 143


def ended(act: Coroutine[None, None, int]) -> int:
    """Run an act to its end; return the exit status."""
    try:
        return asyncio.run(_orderly(act))
    except ModelError as error:
        print(error, file=sys.stderr)
        return CANNOT_RUN
    except KeyboardInterrupt:
        print("Interrupted; the model's process has ended too.", file=sys.stderr)
        return INTERRUPTED
    except asyncio.CancelledError:
        print("Terminated; the model's process has ended too.", file=sys.stderr)
        return TERMINATED


async def _orderly(act: Coroutine[None, None, int]) -> int:
    """End on SIGTERM, and when the terminal closes, as on Ctrl-C: with the model's process ended first."""
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await act


def count(text: str) -> int:
    """Return a number of tickets. Raises `ArgumentTypeError`."""
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1000")
    return int(text)


def port(text: str) -> int:
    """Return the number of a port. Raises `ArgumentTypeError`."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a number from 1 to 65535")
    return int(text)
