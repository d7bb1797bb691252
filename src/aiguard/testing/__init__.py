"""What tests of code behind boundaries need: answers and faults on demand, time that does not pass by itself."""

from aiguard.testing.answering import answering, disabled
from aiguard.testing.faults import (
    Crash,
    Drip,
    Fails,
    Fault,
    Garbage,
    Hang,
    InjectedError,
    Latency,
    OneOf,
    Truncation,
)
from aiguard.testing.faultserver import FaultServer, RawReply, RecordedRequest, WireFault, fault_server
from aiguard.testing.injection import inject
from aiguard.testing.virtual import VirtualClock, fresh_registry, virtual_time

__all__ = [
    "Crash",
    "Drip",
    "Fails",
    "Fault",
    "FaultServer",
    "Garbage",
    "Hang",
    "InjectedError",
    "Latency",
    "OneOf",
    "RawReply",
    "RecordedRequest",
    "Truncation",
    "VirtualClock",
    "WireFault",
    "answering",
    "disabled",
    "fault_server",
    "fresh_registry",
    "inject",
    "virtual_time",
]
