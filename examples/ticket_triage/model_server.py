"""
The model, served OpenAI-compatible on loopback: what runs in the process of its own.

    python -m examples.ticket_triage.model_server PORT [--nonsense]

Prints `ready` once it listens. Ends when its standard input closes: when whoever started it is gone.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import threading
from typing import Any, Final

import xllamacpp

from examples.ticket_triage.nonsense import serve
from examples.ticket_triage.preflight import weights
from examples.ticket_triage.prompt import request

CONTEXT: Final = 2048
PR_SET_PDEATHSIG: Final = 1


def load(port: int) -> Any:
    """Load the model and serve it on a port of loopback; 0 for any."""
    settings = xllamacpp.CommonParams()
    settings.model.path = str(weights())
    settings.hostnames = ["127.0.0.1"]
    settings.port = port
    settings.n_parallel = 1  # one after the other: the prompt that all requests share is read once, and kept
    settings.n_ctx = CONTEXT
    settings.verbosity = 0
    # Half the processors: two threads that wait for each other, spinning, on two busy cores take seconds for a token.
    threads = min(4, max(1, (os.cpu_count() or 2) // 2))
    settings.cpuparams.n_threads = threads
    settings.cpuparams_batch.n_threads = threads
    return xllamacpp.Server(settings)


def end_with_parent() -> None:
    """Leave no orphan, however the parent ends: a stopped process too, where the system can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)  # the server's own threads would hold up an orderly exit


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description="Serve the demo's model on loopback.")
    parser.add_argument("port", type=int)
    parser.add_argument("--nonsense", action="store_true", help="answer with nonsense")
    arguments = parser.parse_args()
    end_with_parent()
    model = load(0 if arguments.nonsense else arguments.port)
    model.handle_chat_completions(request(""))  # reads what all requests share: nobody waits for a cold model
    stop_serving = serve(model, arguments.port) if arguments.nonsense else None
    print("ready", flush=True)
    try:
        signal.pause()
    finally:
        if stop_serving is not None:
            stop_serving()


if __name__ == "__main__":
    main()
