"""Policies from a file and from the environment, laid over those in code."""

from aiguard.config.live import Loaded, configure, configured, reload

__all__ = ["Loaded", "configure", "configured", "reload"]
