"""A window into a running process: what its boundaries are doing, and how their last calls went."""

from aiguard.monitor.exposure import expose

__all__ = ["expose"]
