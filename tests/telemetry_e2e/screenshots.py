"""What a reader sees: pages of the backends as pictures, taken by Chromium without a window."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image

PATIENCE: Final = 20_000
"""Milliseconds of the page's own time: it runs ahead of the clock while the page waits for nothing."""

WITHIN: Final = 90.0
COLOURS: Final = 64
LARGEST: Final = 200_000

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")


class NoPictureError(Exception):
    """A page could not be shown."""


def take(url: str, to: Path, *, width: int = 1400, height: int = 900) -> None:
    """Write a page as a PNG of few colours."""
    if CHROMIUM is None:
        raise NoPictureError("Chromium is not installed")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        raw = Path(profile) / "page.png"
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        command += ["--no-proxy-server", "--hide-scrollbars", "--force-color-profile=srgb"]
        command += [f"--user-data-dir={profile}/profile", f"--window-size={width},{height}"]
        command += [f"--virtual-time-budget={PATIENCE}", f"--screenshot={raw}", url]
        said = _run(command)
        if not raw.exists():
            raise NoPictureError(f"{url}: {said[-1000:]}")
        with Image.open(raw) as picture:
            picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(to, optimize=True)
    if (size := to.stat().st_size) > LARGEST:
        raise NoPictureError(f"{to.name} has {size} bytes, more than {LARGEST}")


def _run(command: list[str]) -> str:
    """Run a command and return what it says; end what it has started, in every case."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        said, _ = process.communicate(timeout=WITHIN)
        return said.decode(errors="replace")
    except subprocess.TimeoutExpired:
        return f"not done after {WITHIN:g} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
