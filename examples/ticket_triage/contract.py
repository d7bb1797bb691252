"""What a triage is, whoever made it: the model, the rules or the floor."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Category = Literal["billing", "technical", "account", "shipping", "security", "feedback", "other"]
Priority = Literal["low", "normal", "high", "urgent"]


class Triage(BaseModel):
    """Where a ticket goes, how soon it has to be read, and how sure the triage is."""

    model_config = ConfigDict(extra="forbid")

    category: Category
    priority: Priority
    confidence: Annotated[float, Field(ge=0, le=1)]  # the one limit that a model's grammar does not enforce
