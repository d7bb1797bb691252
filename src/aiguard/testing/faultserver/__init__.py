"""A server on loopback that speaks the formats of OpenAI, Anthropic and Gemini, and fails as asked."""

from aiguard.testing.faultserver.catalogue import Parameter, WireFault
from aiguard.testing.faultserver.journal import RecordedRequest
from aiguard.testing.faultserver.reply import RawReply
from aiguard.testing.faultserver.server import FaultServer, fault_server

__all__ = ["FaultServer", "Parameter", "RawReply", "RecordedRequest", "WireFault", "fault_server"]
