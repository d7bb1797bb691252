"""Draw every picture into docs/images."""

from __future__ import annotations

from pathlib import Path

from docs.drawings.pictures import DIAGRAMS, TIMELINES, draw

FOLDER = Path(__file__).resolve().parent.parent / "images"


def main() -> None:
    """Write them all."""
    for picture in (*DIAGRAMS, *TIMELINES):
        (FOLDER / f"{picture}.svg").write_text(draw(picture), encoding="utf-8")


if __name__ == "__main__":
    main()
