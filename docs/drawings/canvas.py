"""An SVG that is readable at 700 px, on light pages and on dark ones."""

from __future__ import annotations

from xml.sax.saxutils import escape

WIDTH = 700
CHARACTER = 6.7
"""The width of a character at 13 px, a little more than it is in most fonts: nobody's text may run into a line."""

_STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f; }
.ground { fill: #ffffff; }
.title { font-weight: 600; }
.note { fill: #57606a; font-size: 12px; }
.name { font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace; font-size: 12px; }
.on { fill: #ffffff; font-size: 12px; }
.answered { fill: #1a7f37; }
.failed { fill: #cf222e; }
.rejected { fill: #9a6700; }
.rung { fill: #8250df; }
.grid { stroke: #d0d7de; }
.edge { stroke: #57606a; stroke-width: 1.5; fill: none; }
.arrow { fill: #57606a; }
.wait { stroke: #57606a; stroke-width: 2; stroke-dasharray: 2 4; fill: none; }
.limit { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 5 4; }
.limit-note { fill: #cf222e; font-size: 12px; }
.frame { fill: none; stroke: #8c959f; stroke-width: 1.5; stroke-dasharray: 6 5; }
.box { fill: #f6f8fa; stroke: #57606a; stroke-width: 1.5; }
.good { stroke: #1a7f37; }
.bad { stroke: #cf222e; }
.half { stroke: #9a6700; }
.ladder { stroke: #8250df; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .ground { fill: #1e2129; }
  .note { fill: #9da7b3; }
  .on { fill: #0d1117; }
  .answered { fill: #3fb950; }
  .failed { fill: #ff7b72; }
  .rejected { fill: #d29922; }
  .rung { fill: #bc8cff; }
  .grid { stroke: #3d444d; }
  .edge, .wait { stroke: #9da7b3; }
  .arrow { fill: #9da7b3; }
  .limit { stroke: #ff7b72; }
  .limit-note { fill: #ff7b72; }
  .box { fill: #2a2e38; stroke: #9da7b3; }
  .good { stroke: #3fb950; }
  .bad { stroke: #ff7b72; }
  .half { stroke: #d29922; }
  .ladder { stroke: #bc8cff; }
}
"""


def width_of(text: str) -> float:
    """Return the pixels that `text` takes, at most."""
    return len(text) * CHARACTER


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


class Canvas:
    """
    A picture under construction.

    Args:
        title: What it shows; read aloud where it cannot be seen.
        description: What there is to be learned from it, for the same readers.
    """

    def __init__(self, title: str, description: str) -> None:
        self._title = title
        self._description = description
        self._parts: list[str] = []

    def text(self, x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> None:
        """Write one line; `y` is its base line."""
        where = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._add("text", f'x="{_number(x)}" y="{_number(y)}"{where}', kind, text)

    def box(self, x: float, y: float, width: float, height: float, kind: str, *, radius: float = 3) -> None:
        """Draw a rectangle with round corners."""
        size = f'width="{_number(width)}" height="{_number(height)}"'
        self._add("rect", f'x="{_number(x)}" y="{_number(y)}" {size} rx="{_number(radius)}"', kind)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Draw a straight line."""
        ends = f'x1="{_number(x1)}" y1="{_number(y1)}" x2="{_number(x2)}" y2="{_number(y2)}"'
        self._add("line", ends, kind)

    def dot(self, x: float, y: float, kind: str, radius: float = 5) -> None:
        """Draw a filled circle."""
        self._add("circle", f'cx="{_number(x)}" cy="{_number(y)}" r="{_number(radius)}"', kind)

    def cross(self, x: float, y: float, kind: str) -> None:
        """Draw a filled ×, seen apart from a dot without its colour."""
        arms = "m-5 -3 2 -2 3 3 3 -3 2 2 -3 3 3 3 -2 2 -3 -3 -3 3 -2 -2 3 -3z"
        self._add("path", f'd="M{_number(x)} {_number(y)}{arms}"', kind)

    def diamond(self, x: float, y: float, kind: str) -> None:
        """Draw a filled diamond, seen apart from the others without its colour."""
        self._add("path", f'd="M{_number(x)} {_number(y - 6)}l6 6-6 6-6-6z"', kind)

    def path(self, path: str, kind: str) -> None:
        """Draw along `path`, in SVG's own words."""
        self._add("path", f'd="{path}"', kind)

    def arrow(self, path: str) -> None:
        """Draw a line along `path`, in SVG's own words, with a head at its end."""
        self._add("path", f'd="{path}" marker-end="url(#head)"', "edge")

    def drawn(self, height: float) -> str:
        """Return the whole picture."""
        head = '<path class="arrow" d="M0 0 10 5 0 10z"/>'
        marker = (
            '<marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            f'orient="auto-start-reverse">{head}</marker>'
        )
        frame = f'viewBox="0 0 {WIDTH} {_number(height)}" width="{WIDTH}" height="{_number(height)}"'
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {frame} role="img" aria-labelledby="title description">',
            f'<title id="title">{escape(self._title)}</title>',
            f'<desc id="description">{escape(self._description)}</desc>',
            f"<style>{_STYLE}</style>",
            f"<defs>{marker}</defs>",
            f'<rect class="ground" width="{WIDTH}" height="{_number(height)}" rx="8"/>',
            *self._parts,
            "</svg>",
        ]
        return "\n".join(lines) + "\n"

    def _add(self, element: str, attributes: str, kind: str, text: str | None = None) -> None:
        named = f' class="{kind}"' if kind else ""
        end = "/>" if text is None else f">{escape(text)}</{element}>"
        self._parts.append(f"<{element}{named} {attributes}{end}")
