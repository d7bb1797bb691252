"""What tests of code behind boundaries need: time that does not pass by itself, and a registry of their own."""

from aiguard.testing.virtual import VirtualClock, fresh_registry, virtual_time

__all__ = ["VirtualClock", "fresh_registry", "virtual_time"]
