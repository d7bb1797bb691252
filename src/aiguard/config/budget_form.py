"""How a file writes what models cost, and what is set aside for an attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiguard.config.reader import Reader
    from aiguard.config.text import Node


def read_prices(reader: Reader, node: Node, path: str) -> Any:
    """Return the prices by model, and note where each stands."""
    for model, price in node.value.items() if isinstance(node.value, dict) else ():
        reader.positions[f"{path}.{model}"] = reader.at(price.key)
        for name, item in price.value.items() if isinstance(price.value, dict) else ():
            reader.positions[f"{path}.{model}.{name}"] = reader.at(item.key)
    return node.plain()


def read_reserve(reader: Reader, node: Node, path: str) -> Any:
    """Return a number of tokens, or the function that gives it."""
    return reader.function(node, path) if isinstance(node.value, str) else node.plain()
