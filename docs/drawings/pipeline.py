"""The way of a call through a boundary, in the order that the code has."""

from __future__ import annotations

from aiguard import Breaker, Budget, Bulkhead, Policy
from aiguard.engine.pipeline import order
from aiguard.engine.state import State
from aiguard.stages.fallback import FallbackStage, Form
from docs.drawings.canvas import WIDTH, Canvas

ASKS = {
    "fallback": ("answers where", "others cannot"),
    "gate": ("may it run", "at all?"),
    "deadline": ("one moment", "for all of it"),
    "retry": ("once more, if", "it may pass?"),
    "output": ("is the answer", "as declared?"),
    "cooldown": ("did it ask", "for a pause?"),
    "budget": ("is there", "any call left?"),
    "breaker": ("failing too", "often of late?"),
    "bulkhead": ("is there room?", "else a queue"),
    "attempt": ("one try, in", "its own time"),
}
ACROSS, LEFT, BOX, GAP, HIGH = 5, 124, 99, 12, 72
LADDER, OUT, BACK = 44, 140, 246
FRAME = (106, 10, 584, 322)


def stages() -> list[str]:
    """Return the names of all stages, outermost first."""
    policy = Policy(
        deadline=1.0, output=dict[str, str], budget=Budget(calls=1), breaker=Breaker(), bulkhead=Bulkhead(limit=1)
    )
    ladder = FallbackStage((), None, None, Form.VALUE)
    chain = order(policy, State("picture", policy), ladder, judged=True)
    return [type(stage).__name__.removesuffix("Stage").lower() for stage in chain]


def _stage(canvas: Canvas, name: str, column: int, top: float) -> None:
    x = LEFT + column * (BOX + GAP)
    canvas.box(x, top, BOX, HIGH, "box ladder" if name == "fallback" else "box", radius=8)
    canvas.text(x + BOX / 2, top + 23, name, "title", "middle")
    for line, text in enumerate(ASKS[name]):
        canvas.text(x + BOX / 2, top + 42 + 17 * line, text, "note", "middle")


def draw() -> str:
    """Return the picture."""
    names = stages()
    canvas = Canvas(
        "A call on its way through a boundary",
        f"The call passes {', '.join(names)} before it reaches the component. What leaves is a valid value in time, "
        "or one typed error; the ladder answers where the component does not.",
    )
    canvas.box(*FRAME, "frame", radius=12)
    canvas.text(LEFT - 6, 30, "boundary “ticket-triage”", "note")
    for rung, (name, what) in enumerate({"small model": "callable", "rules": "callable", "value": "the floor"}.items()):
        x = LEFT + (rung + 1) * (BOX + GAP)
        canvas.box(x, LADDER, BOX, 48, "box ladder", radius=8)
        canvas.text(x + BOX / 2, LADDER + 21, name, "", "middle")
        canvas.text(x + BOX / 2, LADDER + 38, what, "note", "middle")
        if rung:
            canvas.arrow(f"M{x - GAP} {LADDER + 24}H{x - 2}")
    canvas.text(LEFT + 4, LADDER + 18, "the ladder", "note")
    canvas.arrow(f"M{LEFT + BOX / 2} {OUT}V{LADDER + 28}H{LEFT + BOX + GAP - 2}")

    for place, name in enumerate(names[:ACROSS]):
        _stage(canvas, name, place, OUT)
        if place:
            x = LEFT + place * (BOX + GAP)
            canvas.arrow(f"M{x - GAP} {OUT + HIGH / 2}H{x - 2}")
    for place, name in enumerate(names[ACROSS:]):
        column = ACROSS - 1 - place
        _stage(canvas, name, column, BACK)
        x = LEFT + column * (BOX + GAP)
        if place:
            canvas.arrow(f"M{x + BOX + GAP} {BACK + HIGH / 2}H{x + BOX + 2}")
    turn = LEFT + (ACROSS - 1) * (BOX + GAP) + BOX / 2
    canvas.arrow(f"M{turn} {OUT + HIGH}V{BACK - 2}")

    canvas.text(6, OUT + HIGH / 2 + 4, "your call", "title")
    canvas.arrow(f"M74 {OUT + HIGH / 2}H{LEFT - 2}")
    canvas.text(6, BACK + HIGH / 2 - 5, "component", "title")
    canvas.text(6, BACK + HIGH / 2 + 13, "slow, wrong,", "note")
    canvas.text(6, BACK + HIGH / 2 + 30, "or gone", "note")
    canvas.arrow(f"M{LEFT} {BACK + HIGH / 2 - 9}H94")
    left = "What leaves is a value that keeps the contract, inside the deadline, or one BoundaryError."
    canvas.text(WIDTH / 2, 356, left, "", "middle")
    return canvas.drawn(374)
