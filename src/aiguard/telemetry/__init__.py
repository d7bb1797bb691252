"""What a boundary tells the outside: the only code that knows OpenTelemetry."""

from aiguard.telemetry.configure import configure, shutdown

__all__ = ["configure", "shutdown"]
