"""Triage by rules: the rung that answers when the model does not. Poorer, but awake, and the same every time."""

from __future__ import annotations

import re
from typing import Final, get_args

from examples.ticket_triage.contract import Category, Priority, Triage

CUES: Final[dict[Category, dict[str, float]]] = {
    "billing": {
        r"invoices?|rechnung\w*": 3,
        r"refund\w*|charged?|bill(?:s|ed|ing)?": 3,
        r"payments?|subscription|price|pricing|cost|discount|plan|seats": 2,
        r"card|bank|money|accounting": 1.5,
    },
    "technical": {
        r"crash\w*|bugs?|errors?|exception|econn\w+": 3,
        r"api|sync|upload\w*|export|server|browser|windows|android|ios": 2,
        r"slow|search|update|version|log": 1,
        r"(?:does not|doesn'?t|not) work\w*|broken|returns nothing": 1.5,
    },
    "account": {
        r"log ?in|sign in|login|locked out|password|reset link": 2.5,
        r"profile|user ?name|e-?mail address|delete my account|gdpr|unknown user": 3,
        r"account|settings|team|colleague": 1,
    },
    "shipping": {
        r"parcel|package|courier|deliver\w*|tracking": 3,
        r"shipp?(?:ed|ing)?|arrived|box|wrong item|size": 2,
        r"order(?:ed)?|address": 1,
    },
    "security": {
        r"phishing|hack\w*|stolen|leak\w*|breach|vulnerab\w+": 4,
        r"2fa|authenticator|revoke|suspicious|strange link|another country": 3,
        r"did not do this|someone|password": 1,
    },
    "feedback": {
        r"lovely|love|well done|great|thank(?:s| you) for": 2,
        r"suggest\w*|idea|would be (?:great|nice)|wish|disappointed|feature": 3,
        r"dark mode|layout|design": 1.5,
    },
}
"""What speaks for a category: patterns of whole words, and their weight."""

URGENCY: Final[dict[str, float]] = {
    r"urgent\w*|emergency|immediately|at once|asap": 3,
    r"production is down|outage|whole (?:office|company)|data leak|medicine": 3,
    r"in one hour|within (?:an|the) hour|today": 2,
    r"did not do this|hack\w*|stolen|phishing": 2,
    r"locked out|cannot|can't|crash\w*|declined|twice|lost|by \w+day|on (?:satur|sun|mon|tues|wednes|thurs|fri)day": 1,
    r"!{2,}|\d+x": 1,
}
"""What makes a ticket pressing, and by how much."""

CALM: Final[dict[str, float]] = {
    r"no big deal|no hurry|eilt nicht|some time|just an? \w+|just wanted": 3,
    r"lovely|idea|would like to|how do i|how can i|what does|do you have|is there|could you": 2,
}
"""What says that a ticket can wait, and by how much."""


def rules(ticket: str) -> Triage:
    """Triage a ticket by the words in it."""
    text = ticket.lower()
    scores = {category: _score(CUES.get(category, {}), text) for category in get_args(Category)}
    total = sum(scores.values())
    category: Category = max(scores, key=scores.__getitem__) if total else "other"
    confidence = round(scores[category] / total, 2) if total else 0.1
    return Triage(category=category, priority=_priority(text, category), confidence=confidence)


def _priority(text: str, category: Category) -> Priority:
    pressing = _score(URGENCY, text) - _score(CALM, text)
    if category == "security":
        pressing += 2  # to read a leak too late costs more than to read a false alarm at once
    if category in ("feedback", "other"):
        pressing -= 1
    if pressing >= 3:
        return "urgent"
    if pressing >= 1:
        return "high"
    return "normal" if pressing >= 0 else "low"


def _score(cues: dict[str, float], text: str) -> float:
    return sum(weight for pattern, weight in cues.items() if re.search(rf"(?<!\w)(?:{pattern})(?!\w)", text))
