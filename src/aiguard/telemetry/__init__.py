"""What a boundary tells the outside: the only code that knows OpenTelemetry."""

from aiguard.telemetry.capture import capture
from aiguard.telemetry.configure import configure, shutdown
from aiguard.telemetry.content import Content

__all__ = ["Content", "capture", "configure", "shutdown"]
